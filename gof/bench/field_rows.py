"""Rows of `gof bench` about the field alone.

Ceilings count the products of matrices that the work cannot do without, at the rate that products
of the same width reach here and now. Sines, sums and copies count as nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional as F

from gof.bench.measure import (
    Row,
    beside,
    colour_operations,
    least_row,
    logit_operations,
    peak_mib,
    rate_row,
    timed,
)
from gof.bench.place import LARGE, SMALL, Place
from gof.fields.film_siren import BoundFilmSiren
from gof.fields.kernels.cpu import Film
from gof.fields.kinds.film_siren import FilmSirenSettings
from gof.fields.start_shape import Started
from gof.losses.field import normal_smoothness
from gof.rendering.surface import normals
from gof.run.files import InputError

TRAINED = 2**18  # points of the rows about training


def field_large(place: Place) -> list[Row]:
    """Occupancy logits at 2^20 points, 8 layers of 256. Ceiling: every point through every layer
    once."""
    return [_logits(place, "field-large", LARGE, 0.88)]


def field_small(place: Place) -> list[Row]:
    """Occupancy logits at 2^20 points, 4 layers of 64. Ceiling: likewise."""
    return [_logits(place, "field-small", SMALL, 0.55)]


@torch.no_grad()
def _logits(place: Place, name: str, network: FilmSirenSettings, target: float) -> Row:
    field, points = place.field(network), place.points(2**20)
    timing = beside(place.products(network).rate, lambda: field.logits(points))
    return rate_row(name, points.shape[1] * logit_operations(network), timing, target)


def field_training(place: Place) -> list[Row]:
    """Colour and logit at 2^18 points, forward and backward, 8 layers of 256. Ceiling: three times
    the forward products, though memory that does not grow with the layers costs a fourth."""
    timing = beside(place.products(LARGE).rate, _training(place))
    return [rate_row("field-training", 3 * TRAINED * colour_operations(LARGE), timing, 0.55)]


def field_memory(place: Place) -> list[Row]:
    """Peak memory of that work above what it starts from. Ceiling: colours, logits, scaled points
    and the gradients of what is read. To reach: a tenth of what all layers' sines take."""
    work = _training(place)
    work()
    found = peak_mib(work)
    if found is None:
        raise InputError("this system does not tell the peak memory of a process: Linux does")
    number = 4 * TRAINED / 2**20
    everything = (LARGE.layers + 1) * LARGE.width * number
    return [least_row("field-training-memory", found[1], "MiB", 11 * number, everything / 10)]


def films(field: Started) -> tuple[Film, ...]:
    """The folded layers of a FiLM-SIREN."""
    assert isinstance(field.field, BoundFilmSiren)
    return field.field.films


def _training(place: Place) -> Callable[[], object]:
    field, points = place.field(LARGE), place.points(TRAINED)
    directions = F.normalize(points, dim=-1)
    weights = [part for film in films(field) for part in film]

    def work() -> None:
        rgb, logits = field.radiance(points, directions)
        torch.autograd.grad(rgb.sum() + logits.sum(), weights)

    return work


def normals_twice(place: Place) -> list[Row]:
    """Normals at 2^16 points, and the gradient of their smoothness at 2^15 pairs of points, 8
    layers of 256. Ceiling: three times what the field itself costs there."""
    field, points = place.field(LARGE), place.points(2**16)
    weights = [part for film in films(field)[:-1] for part in film]
    half, hit = points[:, ::2], torch.ones(1, 2**15, dtype=torch.bool, device=points.device)
    offset = torch.full_like(half, 1e-3)

    @torch.no_grad()
    def own() -> None:
        field.logits(points)

    def smoothness() -> None:
        torch.autograd.grad(normal_smoothness(field, half, hit, offset), weights)

    rows = []
    works = {"normals": lambda: normals(field, points), "normal-loss": smoothness}
    for name, work in works.items():
        timing = beside(lambda: 3 * timed(own), work)
        rows.append(least_row(name, timing.seconds, "s", timing.gauge, None))
    return rows
