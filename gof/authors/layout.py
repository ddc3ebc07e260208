"""The authors' generators, tensor by tensor: their names, ours, and the shapes (method-gof 5).

All are the same FiLM-SIREN of 8 layers of 256; the latent's length is the only size that differs.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from gof.run.files import InputError
from gof.run.weights import CodeError, read_weights

LAYERS, WIDTH, HIDDEN = 8, 256, 3  # of the field; hidden layers of the mapping network
STYLE = 2 * (LAYERS + 1) * WIDTH
Shape = tuple[int, ...]


def _linears(latent: int) -> list[tuple[str, str, Shape]]:
    """Their name of each layer, ours, and the shape of its weight, in their order."""
    found: list[tuple[str, str, Shape]] = []
    for i in range(LAYERS):
        shape = (WIDTH, WIDTH if i else 3)
        found.append((f"siren.network.{i}.layer", f"field.layers.{i}", shape))
    found += [
        ("siren.final_layer", "field.occupancy", (1, WIDTH)),
        ("siren.color_layer_sine.layer", "field.colour_layer", (WIDTH, WIDTH + 3)),
        ("siren.color_layer_linear.0", "field.colour", (3, WIDTH)),
    ]
    sizes = [latent] + [WIDTH] * HIDDEN + [STYLE]
    for i in range(HIDDEN + 1):
        place = 2 * i  # an activation lies between two layers
        theirs, shape = f"siren.mapping_network.network.{place}", (sizes[i + 1], sizes[i])
        found.append((theirs, f"mapping.{place}", shape))
    return found


def tensors(latent: int) -> dict[str, tuple[str, Shape]]:
    """Their name of each of the 30 tensors -> ours, its shape; in the order of their parameters."""
    found = {}
    for theirs, ours, shape in _linears(latent):
        found[f"{theirs}.weight"] = f"{ours}.weight", shape
        found[f"{theirs}.bias"] = f"{ours}.bias", shape[:1]
    return found


def read(path: Path, latent: int) -> dict[str, Tensor]:
    """The tensors of a file of weights by our names, float32. Raises InputError naming the file and
    the tensor that is missing, unknown or of another shape, and for a file that only their code
    could open."""
    try:
        given = read_weights(path)
    except CodeError as error:
        raise InputError(
            f"{path}: a whole pickled module ({error.name}), which would run code when opened: give"
            " ema.pth, which lies beside it, instead"
        ) from None
    known = tensors(latent)
    average = given.get("shadow_params")
    if isinstance(average, Mapping):
        given = _by_name(path, average, list(known))
    if missing := [name for name in known if name not in given]:
        raise InputError(
            f"{path}: lacks {missing[0]}, one of the {len(known)} tensors of the authors'"
            " generators: give their ema.pth, or GOF's generator.pth"
        )
    if odd := [name for name in given if name not in known]:
        raise InputError(f"{path}: holds {odd[0]}, which the authors' generators do not have")
    found = {}
    for theirs, (ours, shape) in known.items():
        there = tuple(getattr(given[theirs], "shape", ()))
        if there != shape:
            raise InputError(f"{path}: {theirs} has shape {there}, expected {shape}")
        found[ours] = given[theirs].float()
    return found


def _by_name(path: Path, average: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
    """The tensors of a moving average, which has them by number, by their names."""
    if len(average) != len(names):
        raise InputError(
            f"{path}: a moving average of {len(average)} tensors, the authors' generators have"
            f" {len(names)}"
        )
    return dict(zip(names, average.values(), strict=True))
