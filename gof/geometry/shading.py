"""Pictures of meshes: shaded at the vertices, antialiased by area averages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gof.geometry.images import shrink
from gof.geometry.raster import interpolate, rasterise

OVERSAMPLING = 2  # samples a side of the largest image's pixels


@dataclass(frozen=True, slots=True)
class View:
    """poses [batch, 2]; angle of view in degrees; background, sRGB code values 0 to 1."""

    poses: Tensor
    fov_deg: float
    background: tuple[float, float, float]


def to_srgb(linear: Tensor) -> Tensor:
    """Linear light 0 to 1 -> sRGB code values 0 to 1 (IEC 61966-2-1)."""
    value = linear.clamp(0, 1)
    curve = 1.055 * value.clamp(min=1e-6) ** (1 / 2.4) - 0.055
    return torch.where(value <= 0.0031308, 12.92 * value, curve)


def to_linear(code: Tensor) -> Tensor:
    """sRGB code values 0 to 1 -> linear light 0 to 1 (IEC 61966-2-1)."""
    value = code.clamp(0, 1)
    curve = ((value + 0.055) / 1.055) ** 2.4
    return torch.where(value <= 0.04045, value / 12.92, curve)


def picture(vertices: Tensor, triangles: Tensor, linear: Tensor, view: View, size: int) -> Tensor:
    """Draw meshes [batch, v, 3] with light at their vertices [batch, v, 3] (linear): [batch, size,
    size, 3] sRGB code values, one sample a pixel."""
    raster = rasterise(vertices, triangles, view.poses, size, view.fov_deg)
    colours = interpolate(raster, to_srgb(linear))
    return torch.where(raster.mask[..., None], colours, colours.new_tensor(view.background))


def pictures(
    vertices: Tensor, triangles: Tensor, linear: Tensor, view: View, sizes: Sequence[int]
) -> dict[int, Tensor]:
    """The meshes of `picture` at several sizes, each dividing twice the largest: uint8 [batch,
    size, size, 3]."""
    fine = picture(vertices, triangles, linear, view, OVERSAMPLING * max(sizes))
    return {size: (shrink(fine, size) * 255).round().byte() for size in sizes}
