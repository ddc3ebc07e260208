"""A 3DMM: linear in identity and expression, coloured by a palette, for batches of coefficients.

Two palettes exist: the pigments of the head model and the linear albedo of the Basel Face Model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from gof.geometry.shading import to_linear
from gof.morphable.landmarks import face_region
from gof.run.files import InputError, read_npz, write_npz

Shapes = dict[str, tuple[int | str, ...]]

# name in the file: shape, with letters for sizes that must agree
SHAPES: Shapes = {
    "mean": ("v", 3),
    "identity": ("identities", "v", 3),
    "expression": ("expressions", "v", 3),
    "expression_names": ("expressions",),
    "triangles": ("f", 3),
    "landmarks": (68,),
}
PIGMENT_SHAPES: Shapes = {
    "log_base": ("v", 3),
    "absorbance": ("pigments", "v", 3),
    "spread": ("pigments",),
    "pigment_names": ("pigments",),
    "mirror": ("v",),
    "region": ("v",),
    "region_names": ("regions",),
}
ALBEDO_SHAPES: Shapes = {"albedo_mean": ("v", 3), "albedo_basis": ("albedos", "v", 3)}
HEAD_RADIUS = 0.1  # camera radii: half the height of a head
NO_FACE = ("hair", "ears", "mouth", "teeth")  # regions; mouth is the inside


class Palette(Protocol):
    """Colours of the vertices as a function of coefficients."""

    @property
    def size(self) -> int:
        """Number of coefficients."""

    @property
    def names(self) -> tuple[str, ...]:
        """What the coefficients are called."""

    def colours(self, albedo: Tensor) -> Tensor:
        """Linear-light colours [batch, v, 3], 0 to 1, for coefficients [batch, size], drawn from
        N(0, 1)."""

    def at(self, vertices: Tensor) -> Palette:
        """The palette of some of the vertices."""


@dataclass(frozen=True, slots=True)
class Pigments:
    """log_base [v, 3], absorbance [k, v, 3] and spread [k]: Beer-Lambert law, see
    `gof.heads.paint`."""

    log_base: Tensor
    absorbance: Tensor
    spread: Tensor
    names: tuple[str, ...]

    @property
    def size(self) -> int:
        """Number of pigments."""
        return len(self.spread)

    def colours(self, albedo: Tensor) -> Tensor:
        """See `Palette`."""
        amounts = (self.spread * albedo).exp()
        absorbed = amounts @ self.absorbance.flatten(1)
        return (self.log_base - absorbed.view(len(albedo), *self.log_base.shape)).exp().clamp(max=1)

    def at(self, vertices: Tensor) -> Pigments:
        """See `Palette`."""
        own = self.absorbance[:, vertices].contiguous()
        return Pigments(self.log_base[vertices], own, self.spread, self.names)


@dataclass(frozen=True, slots=True)
class LinearAlbedo:
    """mean [v, 3] and basis [k, v, 3] in sRGB code values 0 to 255, the texture of the Basel Face
    Model (Paysan et al., "A 3D face model for pose and illumination invariant face recognition",
    2009)."""

    mean: Tensor
    basis: Tensor

    @property
    def size(self) -> int:
        """Number of components."""
        return len(self.basis)

    @property
    def names(self) -> tuple[str, ...]:
        """albedo 1, albedo 2, ..."""
        return tuple(f"albedo {k + 1}" for k in range(self.size))

    def colours(self, albedo: Tensor) -> Tensor:
        """See `Palette`."""
        code = self.mean + (albedo @ self.basis.flatten(1)).view(len(albedo), *self.mean.shape)
        return to_linear(code / 255)

    def at(self, vertices: Tensor) -> LinearAlbedo:
        """See `Palette`."""
        return LinearAlbedo(self.mean[vertices], self.basis[:, vertices].contiguous())


@dataclass(frozen=True, slots=True)
class MorphableModel:
    """v vertices in camera radii. mean [v, 3]; identity [i, v, 3] and expression [e, v, 3]
    displacements; triangles [f, 3], counterclockwise from outside; landmarks [68] vertices in iBUG
    order; face [v], which vertices are the face proper: from the jaw line to the hair, with brows,
    lids, eyeballs and lips, without ears, neck and the inside of the mouth."""

    mean: Tensor
    identity: Tensor
    expression: Tensor
    expression_names: tuple[str, ...]
    triangles: Tensor
    landmarks: Tensor
    face: Tensor
    palette: Palette

    @classmethod
    def load(cls, path: Path, device: torch.device | str = "cpu") -> MorphableModel:
        """Read the file of `gof head-model` or `gof bfm`. Raises InputError naming the array that
        is missing or has the wrong shape."""
        arrays = read_npz(path)
        linear = "albedo_mean" in arrays
        check_arrays(arrays, SHAPES | (ALBEDO_SHAPES if linear else PIGMENT_SHAPES), path)

        def tensor(name: str) -> Tensor:
            number = torch.from_numpy(arrays[name]).to(device)
            return number.float() if number.is_floating_point() else number.long()

        def words(name: str) -> tuple[str, ...]:
            return tuple(str(item) for item in arrays[name])

        palette: Palette
        if linear:
            palette = LinearAlbedo(tensor("albedo_mean"), tensor("albedo_basis"))
            face = np.ones(len(arrays["mean"]), dtype=bool)  # the whole mesh is a face
        else:
            shared = (tensor("log_base"), tensor("absorbance"), tensor("spread"))
            palette = Pigments(*shared, words("pigment_names"))
            bare = ~np.isin(arrays["region_names"], NO_FACE)[arrays["region"]]
            face = face_region(arrays["mean"], arrays["landmarks"]) & bare
        return cls(
            tensor("mean"),
            tensor("identity"),
            tensor("expression"),
            words("expression_names"),
            tensor("triangles"),
            tensor("landmarks"),
            torch.from_numpy(face).to(device),
            palette,
        )

    def vertices(self, identity: Tensor, expression: Tensor) -> Tensor:
        """Vertices [batch, v, 3] for coefficients [batch, i], drawn from N(0, 1), and [batch, e]:
        0 to 1 for the head model, drawn from N(0, 1) for the Basel Face Model."""
        moved = identity @ self.identity.flatten(1) + expression @ self.expression.flatten(1)
        return self.mean + moved.view(len(identity), *self.mean.shape)

    def colours(self, albedo: Tensor) -> Tensor:
        """Linear-light colours [batch, v, 3], 0 to 1, for coefficients [batch, palette.size], drawn
        from N(0, 1)."""
        return self.palette.colours(albedo)


def write_model(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write the arrays of a model with linear albedo. Raises InputError naming one that does not
    fit the others."""
    check_arrays(arrays, SHAPES | ALBEDO_SHAPES, path)
    write_npz(path, arrays)


def check_arrays(arrays: Mapping[str, np.ndarray], shapes: Shapes, path: Path) -> None:
    """Raise InputError naming the array of `path` that is missing, has the wrong shape, or holds
    what cannot be."""
    sizes: dict[str, int] = {}
    for name, shape in shapes.items():
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
    for name, below in {
        "triangles": "v",
        "landmarks": "v",
        "mirror": "v",
        "region": "regions",
    }.items():
        if name in shapes:
            _check_numbers(arrays[name], sizes[below], f"{path}: {name}")
    for name in shapes:
        if arrays[name].dtype.kind == "f" and not np.isfinite(arrays[name]).all():
            raise InputError(f"{path}: {name} holds values that are not finite: build it again")


def _check_numbers(array: np.ndarray, below: int, what: str) -> None:
    if array.dtype.kind not in "iu" or array.min() < 0 or array.max() >= below:
        raise InputError(f"{what} holds numbers that are no vertices: build it again")
