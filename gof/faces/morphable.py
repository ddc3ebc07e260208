"""The head model: a linear model of shape (identity and expression) and a pigment model of colour,
for batches of coefficients."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gof.io import InputError, read_npz

# name in the file: shape, with letters for sizes that must agree
SHAPES: dict[str, tuple[int | str, ...]] = {
    "mean": ("v", 3),
    "identity": ("identities", "v", 3),
    "expression": ("expressions", "v", 3),
    "expression_names": ("expressions",),
    "triangles": ("f", 3),
    "log_base": ("v", 3),
    "absorbance": ("pigments", "v", 3),
    "spread": ("pigments",),
    "pigment_names": ("pigments",),
    "landmarks": (68,),
    "mirror": ("v",),
    "region": ("v",),
    "region_names": ("regions",),
}


@dataclass(frozen=True, slots=True)
class MorphableModel:
    """v vertices in camera radii. mean [v, 3]; identity [80, v, 3] and expression [e, v, 3]
    displacements; triangles [f, 3], counterclockwise from outside; log_base [v, 3], absorbance [k,
    v, 3] and spread [k] of the colours; landmarks [68] vertices in iBUG order; mirror [v], the
    vertex on the other side; region [v], an index into region_names."""

    mean: Tensor
    identity: Tensor
    expression: Tensor
    expression_names: tuple[str, ...]
    triangles: Tensor
    log_base: Tensor
    absorbance: Tensor
    spread: Tensor
    pigment_names: tuple[str, ...]
    landmarks: Tensor
    mirror: Tensor
    region: Tensor
    region_names: tuple[str, ...]

    @classmethod
    def load(cls, path: Path, device: torch.device | str = "cpu") -> MorphableModel:
        """Read head_model.npz. Raises InputError naming the array that is missing or has the wrong
        shape."""
        arrays = read_npz(path)
        _check(arrays, path)
        values: dict[str, Tensor | tuple[str, ...]] = {}
        for name in SHAPES:
            array = arrays[name]
            if array.dtype.kind == "U":
                values[name] = tuple(str(item) for item in array)
            else:
                number = torch.from_numpy(array).to(device)
                values[name] = number.float() if number.is_floating_point() else number.long()
        return cls(**values)  # type: ignore[arg-type]

    def vertices(self, identity: Tensor, expression: Tensor) -> Tensor:
        """Vertices [batch, v, 3] for coefficients [batch, 80], drawn from N(0, 1), and [batch, e],
        0 to 1."""
        moved = identity @ self.identity.flatten(1) + expression @ self.expression.flatten(1)
        return self.mean + moved.view(len(identity), *self.mean.shape)

    def colours(self, albedo: Tensor) -> Tensor:
        """Linear-light colours [batch, v, 3], 0 to 1, for coefficients [batch, k], drawn from N(0,
        1)."""
        amounts = (self.spread * albedo).exp()
        absorbed = amounts @ self.absorbance.flatten(1)
        return (self.log_base - absorbed.view(len(albedo), *self.mean.shape)).exp().clamp(max=1)


def _check(arrays: dict[str, np.ndarray], path: Path) -> None:
    sizes: dict[str, int] = {}
    for name, shape in SHAPES.items():
        if name not in arrays:
            raise InputError(f"{path}: {name} is missing: build the head model again")
        given = arrays[name].shape
        expected = tuple(
            sizes.setdefault(s, n) if isinstance(s, str) else s
            for s, n in zip(shape, given, strict=False)
        )
        if given != expected or len(given) != len(shape):
            raise InputError(
                f"{path}: {name} has shape {given}, expected {shape}: build the head model again"
            )
    _check_values(arrays, sizes["v"], path)


def _check_values(arrays: dict[str, np.ndarray], vertices: int, path: Path) -> None:
    for name in ("triangles", "landmarks", "mirror"):
        array = arrays[name]
        if array.dtype.kind != "i" or array.min() < 0 or array.max() >= vertices:
            raise InputError(f"{path}: {name} holds numbers that are no vertices: build it again")
    for name in SHAPES:
        if arrays[name].dtype.kind == "f" and not np.isfinite(arrays[name]).all():
            raise InputError(f"{path}: {name} holds values that are not finite: build it again")
