"""A z-buffer: which triangle each pixel sees, where on it, and how far away.

Perspective-correct interpolation follows Heckbert and Moreton, "Interpolation for polygon texture
mapping and shading" (1991): 1 / z and attribute / z are affine on the screen. Compiled, for one
core of the processor: meshes are drawn before training and in metrics, never in a training's loop.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gof.geometry.cameras import project

# Pixel centres on a shared edge belong to both triangles; the nearer, then the first, keeps them.
_EDGE = -1e-9


@dataclass(frozen=True, slots=True)
class Raster:
    """What pixels see. triangle_id [batch, h, w] (-1 where nothing), barycentric [batch, h, w, 3]
    (perspective-correct, 0 where nothing), depth [batch, h, w] (along the ray, 0 where nothing),
    triangles [faces, 3]."""

    triangle_id: Tensor
    barycentric: Tensor
    depth: Tensor
    triangles: Tensor

    @property
    def mask(self) -> Tensor:
        """Pixels that see the mesh: bool [batch, h, w]."""
        return self.triangle_id >= 0


def rasterise(
    vertices: Tensor, triangles: Tensor, poses: Tensor, resolution: int, fov_deg: float
) -> Raster:
    """Render meshes [batch, vertices, 3] with shared triangles [faces, 3] (counterclockwise from
    outside) from poses [batch, 2] at the pixel centres of `gof.geometry.cameras.camera_rays`. Faces
    that look away, or reach behind the camera, are not drawn. A mesh outside the view gives an
    empty mask; where that is an error, the caller says so."""
    device, shape = vertices.device, (len(vertices), resolution, resolution)
    plane, z = project(vertices.double().cpu(), poses.double().cpu(), fov_deg)
    xy = torch.stack([plane[..., 0] + 1, 1 - plane[..., 1]], -1) * (resolution / 2)
    triangle_id = torch.full(shape, -1)
    weights, inverse = torch.zeros(*shape, 3), torch.zeros(shape, dtype=torch.float64)
    drawn = (triangle_id, weights, inverse)
    _draw(*(x.numpy() for x in (xy.contiguous(), z.contiguous(), triangles.cpu(), *drawn)))
    line = (torch.arange(resolution, dtype=torch.float64) + 0.5) / resolution * 2 - 1
    slope = math.tan(math.radians(fov_deg) / 2) * line
    length = (1 + slope.square() + slope.square()[:, None]).sqrt()
    depth = torch.where(triangle_id >= 0, length / inverse, 0.0).float()
    return Raster(triangle_id.to(device), weights.to(device), depth.to(device), triangles)


@numba.njit(cache=True, error_model="numpy")
def _draw(
    xy: NDArray[np.float64],
    z: NDArray[np.float64],
    triangles: NDArray[np.int64],
    triangle_id: NDArray[np.int64],
    weights: NDArray[np.float32],
    inverse: NDArray[np.float64],
) -> None:
    """Fills the last three: triangle, barycentric coordinates and 1 / z of the nearest at every
    pixel. xy [images, vertices, 2] in pixels, rows downwards; z [images, vertices]."""
    images, height, width = triangle_id.shape
    for n in range(images):
        for face in range(len(triangles)):
            i, j, k = triangles[face]
            if not (z[n, i] > 0 and z[n, j] > 0 and z[n, k] > 0):
                continue
            (ax, ay), (bx, by), (cx, cy) = xy[n, i], xy[n, j], xy[n, k]
            area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
            if not area < 0:  # looks away: rows grow downwards
                continue
            left = max(0.0, math.ceil(min(ax, bx, cx) - 0.5))
            right = min(width - 1.0, math.floor(max(ax, bx, cx) - 0.5))
            top = max(0.0, math.ceil(min(ay, by, cy) - 0.5))
            bottom = min(height - 1.0, math.floor(max(ay, by, cy) - 0.5))
            near = 1 / z[n, i], 1 / z[n, j], 1 / z[n, k]
            for row in range(int(top), int(bottom) + 1):
                y = row + 0.5 - ay
                for column in range(int(left), int(right) + 1):
                    x = column + 0.5 - ax
                    second = (x * (cy - ay) - y * (cx - ax)) / area
                    third = (y * (bx - ax) - x * (by - ay)) / area
                    first = 1 - second - third
                    if min(first, second, third) < _EDGE:
                        continue
                    u = max(first, 0.0) * near[0]
                    v = max(second, 0.0) * near[1]
                    w = max(third, 0.0) * near[2]
                    total = u + v + w
                    if total > inverse[n, row, column]:
                        inverse[n, row, column] = total
                        triangle_id[n, row, column] = face
                        weights[n, row, column, 0] = u / total
                        weights[n, row, column, 1] = v / total
                        weights[n, row, column, 2] = w / total


def interpolate(raster: Raster, attribute: Tensor) -> Tensor:
    """Vertex attributes [batch, vertices, channels] at the pixels: [batch, h, w, channels], 0 where
    nothing is seen."""
    device, shape = attribute.device, (*raster.triangle_id.shape, attribute.shape[-1])
    result = torch.zeros(shape, dtype=attribute.dtype)
    _mix(
        raster.triangle_id.cpu().numpy(),
        raster.barycentric.cpu().numpy(),
        raster.triangles.cpu().numpy(),
        attribute.detach().cpu().numpy(),
        result.numpy(),
    )
    return result.to(device)


@numba.njit(cache=True)
def _mix(
    triangle_id: NDArray[np.int64],
    weights: NDArray[np.float32],
    triangles: NDArray[np.int64],
    attribute: NDArray[np.float32],
    result: NDArray[np.float32],
) -> None:
    """Fills `result` where something is seen."""
    images, height, width = triangle_id.shape
    for n in range(images):
        for row in range(height):
            for column in range(width):
                face = triangle_id[n, row, column]
                if face < 0:
                    continue
                a, b, c = triangles[face]
                u, v, w = weights[n, row, column]
                for axis in range(result.shape[-1]):
                    mixed = attribute[n, a, axis] * u + attribute[n, b, axis] * v
                    result[n, row, column, axis] = mixed + attribute[n, c, axis] * w
