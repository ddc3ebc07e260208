"""Coefficients of a 3DMM, their distribution, and the whitened form in which a generator sees them.

A block c of coefficients is Gaussian with mean m and covariance L L^T; its whitened form is z with
c = m + L z, so that z ~ N(0, I) (cGOF, conditioning). Blocks are independent of each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gof.run import rng
from gof.run.files import InputError, read_npz, write_npz

BLOCKS = ("identity", "expression", "albedo", "light")
# The latent of a conditional generator, in this order (method-cgof 1.1): shape, then colour.
LATENT = ("identity", "expression", "free_geometry", "albedo", "light", "free_texture")


@dataclass(frozen=True, slots=True)
class Coefficients:
    """What a head is made of: identity [n, i], expression [n, e], albedo [n, k], light [n, 27]
    (nine spherical harmonics for red, then... see `gof.geometry.lighting`, [n, 9, 3] flattened)."""

    identity: Tensor
    expression: Tensor
    albedo: Tensor
    light: Tensor

    def __len__(self) -> int:
        return len(self.identity)

    def __getitem__(self, rows: slice | Tensor) -> Coefficients:
        return Coefficients(*(getattr(self, name)[rows] for name in BLOCKS))

    def joined(self) -> Tensor:
        """All blocks side by side, [n, sum of sizes]."""
        return torch.cat([getattr(self, name) for name in BLOCKS], -1)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where each block of LATENT lies in a conditional generator's latent; sizes by name."""

    sizes: dict[str, int]

    @property
    def total(self) -> int:
        """Length of the latent."""
        return sum(self.sizes.values())

    @property
    def free(self) -> int:
        """Entries that no coefficient governs."""
        return self.sizes["free_geometry"] + self.sizes["free_texture"]

    def place(self, name: str) -> slice:
        """The entries of a block."""
        before = LATENT[: LATENT.index(name)]
        start = sum(self.sizes[other] for other in before)
        return slice(start, start + self.sizes[name])

    def latent(self, face: Tensor, free: Tensor) -> Tensor:
        """Latents [n, total] from whitened face coefficients [n, sum of BLOCKS] and free entries
        [n, free]."""
        parts = dict(zip(BLOCKS, face.split([self.sizes[b] for b in BLOCKS], -1), strict=True))
        names = ("free_geometry", "free_texture")
        parts |= dict(zip(names, free.split([self.sizes[n] for n in names], -1), strict=True))
        return torch.cat([parts[name] for name in LATENT], -1)

    def face(self, latent: Tensor) -> Tensor:
        """Whitened face coefficients [n, sum of BLOCKS] of latents [n, total]."""
        return torch.cat([latent[..., self.place(name)] for name in BLOCKS], -1)

    def draw(self, seed: int, purpose: str, numbers: Sequence[int]) -> Tensor:
        """Latents [n, total] ~ N(0, I), each block from its own stream: a head's coefficients do
        not depend on how many free entries a generator has."""
        parts = [
            rng.streams(seed, f"control, {purpose}, {name}", numbers).normal(self.sizes[name])
            for name in LATENT
        ]
        return torch.cat(parts, -1)

    def loose(self, latent: Tensor) -> Tensor:
        """Free entries [n, free] of latents [n, total]."""
        names = ("free_geometry", "free_texture")
        return torch.cat([latent[..., self.place(name)] for name in names], -1)


@dataclass(frozen=True, slots=True)
class Statistics:
    """Mean [d] and lower triangular factor [d, d] of the covariance of each block of BLOCKS.

    names: what the coefficients of a block are called, where they have names; directions [d, d]:
    orthonormal rows in a block's whitened coefficients, the one that changes a head most first.
    """

    mean: dict[str, Tensor]
    factor: dict[str, Tensor]
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    directions: dict[str, Tensor] = field(default_factory=dict)

    @property
    def sizes(self) -> dict[str, int]:
        """Number of coefficients of each block, in the order of BLOCKS."""
        return {name: len(self.mean[name]) for name in BLOCKS}

    def split(self, z: Tensor) -> dict[str, Tensor]:
        """Whitened coefficients [n, sum of sizes] by block."""
        return dict(zip(BLOCKS, z.split(list(self.sizes.values()), dim=-1), strict=True))

    def unwhiten(self, z: Tensor) -> Coefficients:
        """Whitened [n, sum of sizes] -> coefficients: c = m + L z."""
        parts = self.split(z)
        return Coefficients(
            *(self.mean[name] + parts[name] @ self.factor[name].mT for name in BLOCKS)
        )

    def whiten(self, coefficients: Coefficients) -> Tensor:
        """Coefficients -> whitened [n, sum of sizes]: z = L^-1 (c - m)."""
        parts = [
            torch.linalg.solve_triangular(
                self.factor[name], (getattr(coefficients, name) - self.mean[name]).mT, upper=False
            ).mT
            for name in BLOCKS
        ]
        return torch.cat(parts, -1)

    def check(self, layout: Layout, path: Path) -> None:
        """Raise InputError naming the file where a generator of this layout knows other
        coefficients."""
        for name, size in self.sizes.items():
            if layout.sizes[name] != size:
                raise InputError(
                    f"{path}: {size} coefficients of {name}, the generator has"
                    f" {layout.sizes[name]}: it was trained with other statistics"
                )

    def save(self, path: Path) -> None:
        """Write the statistics (.npz)."""
        arrays = {f"{name}_mean": self.mean[name].numpy() for name in BLOCKS}
        arrays |= {f"{name}_factor": self.factor[name].numpy() for name in BLOCKS}
        arrays |= {f"{name}_names": np.array(own) for name, own in self.names.items()}
        arrays |= {f"{name}_directions": own.numpy() for name, own in self.directions.items()}
        write_npz(path, arrays)

    @classmethod
    def load(cls, path: Path) -> Statistics:
        """Read statistics. Raises InputError naming the array that is missing or does not fit."""
        arrays = read_npz(path)
        for name in BLOCKS:
            mean, factor = arrays.get(f"{name}_mean"), arrays.get(f"{name}_factor")
            if mean is None or factor is None or factor.shape != (len(mean), len(mean)):
                raise InputError(f"{path}: {name}: mean or factor missing: fit the data set again")
            if not (np.isfinite(factor).all() and (np.diag(factor) > 0).all()):
                raise InputError(f"{path}: {name}_factor is singular: fit the data set again")

        def read(kind: str) -> dict[str, Tensor]:
            found = {name: arrays.get(f"{name}_{kind}") for name in BLOCKS}
            return {
                name: torch.from_numpy(own).float()
                for name, own in found.items()
                if own is not None
            }

        called = {name: arrays.get(f"{name}_names") for name in BLOCKS}
        names = {name: tuple(map(str, own)) for name, own in called.items() if own is not None}
        return cls(read("mean"), read("factor"), names, read("directions"))
