"""Similarities of space, in closed form: between point sets, and from the frame of the Basel Face
Model into the world."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gof.run.files import InputError

# Deep3DFaceRecon's camera: pixels of its crop, decimetres.
CROP, FOCAL, DISTANCE = 224, 1015.0, 10.0
# The crop in an image of 256 pixels, y up: pixels of the crop for one of the image, and the image's
# point at the crop's centre.
FRAME, ZOOM, CENTRE = 256, 0.8975788298782894, (128.04371143, 89.95939538)
_FLAT = 1e-6  # spread across a line, relative to that along it, below which a turn is undetermined


@dataclass(frozen=True, slots=True)
class Similarity:
    """x -> scale * rotation @ x + translation; rotation [3, 3], translation [3], both float64."""

    scale: float
    rotation: Tensor
    translation: Tensor

    def apply(self, points: Tensor) -> Tensor:
        """Points [..., 3] -> points, in their own precision."""
        return self.turn(points) + self.translation.to(points)

    def turn(self, displacements: Tensor) -> Tensor:
        """Differences of points [..., 3]: scaled and turned, not moved."""
        return self.scale * (displacements @ self.rotation.to(displacements).mT)

    def inverse(self) -> Similarity:
        """The way back."""
        moved = -(self.rotation.mT @ self.translation) / self.scale
        return Similarity(1 / self.scale, self.rotation.mT, moved)

    def after(self, first: Similarity) -> Similarity:
        """`first`, then this one."""
        moved = self.apply(first.translation)
        return Similarity(self.scale * first.scale, self.rotation @ first.rotation, moved)


def constant_crop(fov_deg: float, pivot: float = 0.0) -> Similarity:
    """From Deep3DFaceRecon's frame (decimetres, mean shape at the origin, y up) into the world, so
    that a frontal head lies in the image where that network's camera sees it through the constant
    crop of cGOF's images (method-cgof 2.5).

    Both projections agree exactly in the plane through the model's origin, which comes to lie at
    depth `pivot` in the world, camera radii; the world's camera at distance 1 turns about the
    world's origin. Elsewhere they differ by the strength of perspective, a pixel of 256.
    """
    focal = FRAME / 2 / math.tan(math.radians(fov_deg) / 2)  # of the world's camera, pixels
    reach = (1 - pivot) / focal  # camera radii that a pixel spans in that plane
    x, y = ((place - FRAME / 2) * reach for place in CENTRE)
    translation = torch.tensor([x, y, pivot], dtype=torch.float64)
    scale = FOCAL / ZOOM / DISTANCE * reach
    return Similarity(scale, torch.eye(3, dtype=torch.float64), translation)


def align(source: Tensor, target: Tensor) -> Similarity:
    """The similarity without reflection that brings points [n, 3] nearest to others [n, 3] in least
    squares (Umeyama, "Least-squares estimation of transformation parameters between two point
    patterns", 1991, eqs. 40 to 43).

    Raises InputError where the points, or the others, lie on a line: any turn about it would do.
    """
    a, b = source.double(), target.double()
    if a.shape != b.shape or a.ndim != 2 or a.shape[-1] != 3:
        raise ValueError(f"points must be [n, 3] twice, got {[*a.shape]} and {[*b.shape]}")
    a_mean, b_mean = a.mean(0), b.mean(0)
    left, spread, right = torch.linalg.svd((b - b_mean).mT @ (a - a_mean) / len(a))
    if spread[1] <= _FLAT * spread[0]:
        raise InputError("alignment: the points lie on a line: give at least three that do not")
    sign = torch.ones(3, dtype=torch.float64)
    sign[2] = torch.sign(torch.linalg.det(left) * torch.linalg.det(right))
    rotation = left * sign @ right
    scale = float((spread * sign).sum() / (a - a_mean).square().sum(-1).mean())
    return Similarity(scale, rotation, b_mean - scale * rotation @ a_mean)
