"""Directions in a conditional generator's latent along which one factor of a face changes."""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches

import torch
from torch import Tensor

from gof.morphable.coefficients import BLOCKS, Layout, Statistics
from gof.morphable.model import MorphableModel
from gof.run.files import InputError

# What one may ask to change, and the block of the latent that it is.
FACTORS = {
    "shape": "identity",
    "expression": "expression",
    "albedo": "albedo",
    "light": "light",
    "free_geometry": "free_geometry",
    "free_texture": "free_texture",
}


def principal_directions(head: MorphableModel, statistics: Statistics, block: str) -> Tensor:
    """Orthonormal directions [d, d], rows, of a block's whitened coefficients, the one that changes
    most first: the shape where the block is one of shape, else the coefficients themselves."""
    map_ = statistics.factor[block].double()
    if block in ("identity", "expression"):
        basis = getattr(head, block).flatten(1).double()
        moves = map_.mT @ (basis @ basis.mT) @ map_
    else:
        moves = map_.mT @ map_
    rows = torch.linalg.eigh(moves).eigenvectors.mT.flip(0)
    strongest = rows.gather(1, rows.abs().argmax(1, keepdim=True))
    return (rows * strongest.sign()).float()


def named_direction(statistics: Statistics, block: str, number: int) -> Tensor:
    """The least change [d] of a block's whitened coefficients that raises coefficient `number` by
    its standard deviation; others go along as they do in the data."""
    row = statistics.factor[block][number]
    return row / row.norm()


def described(head: MorphableModel, statistics: Statistics) -> Statistics:
    """Statistics with the names of their coefficients and the directions that change a head most:
    what is known once a head model is."""
    known = {"expression": head.expression_names, "albedo": head.palette.names}
    names = {block: own for block, own in known.items() if own}
    directions = {block: principal_directions(head, statistics, block) for block in BLOCKS}
    return replace(statistics, names=names, directions=directions)


def direction(layout: Layout, factor: str, component: str, statistics: Statistics | None) -> Tensor:
    """A unit vector [total] in the latent. component: a number from 0, of the statistics'
    directions where the factor is one of theirs, else of an entry of the block; or the name of an
    expression unit or pigment. Raises InputError for what does not exist."""
    if factor not in FACTORS:
        raise InputError(f"--factor: {factor!r} is none: pose, {', '.join(FACTORS)}")
    block = FACTORS[factor]
    size = layout.sizes[block]
    if size == 0:
        raise InputError(f"--factor: this generator has no entries of {factor}")
    if not component.isdecimal():
        own = _named(block, component, statistics)
    elif int(component) >= size:
        raise InputError(f"--component: {component} is beyond the {size} of {factor} (from 0)")
    elif statistics is not None and block in statistics.directions:
        own = statistics.directions[block][int(component)]
    else:
        own = torch.eye(size)[int(component)]
    whole = torch.zeros(layout.total)
    whole[layout.place(block)] = own
    return whole


def _named(block: str, name: str, statistics: Statistics | None) -> Tensor:
    if statistics is None:
        raise InputError(f"--component: {name!r} is no number: a name needs --statistics")
    names = statistics.names.get(block, ())
    if name not in names:
        close = get_close_matches(name, names, 3, 0.3)
        meant = f"did you mean {' or '.join(close)}?" if close else "its components are numbers"
        raise InputError(f"--component: {block} has no {name!r}: {meant}")
    return named_direction(statistics, block, names.index(name))


def moved(latents: Tensor, along: Tensor, values: Tensor) -> Tensor:
    """Latents [n, total] whose coordinate along a unit vector [total] becomes values [n]; nothing
    else about them changes."""
    return latents + (values - latents @ along)[:, None] * along
