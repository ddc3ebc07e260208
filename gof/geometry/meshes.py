"""Triangle meshes as tensors."""

from __future__ import annotations

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def vertex_normals(vertices: Tensor, triangles: Tensor) -> Tensor:
    """Outward unit normals [batch, v, 3] of meshes [batch, v, 3]: triangles' normals, weighted by
    area. Compiled, for one core, without gradient."""
    total = torch.zeros_like(vertices, device="cpu", memory_format=torch.contiguous_format)
    _add_normals(vertices.detach().cpu().numpy(), triangles.cpu().numpy(), total.numpy())
    return torch.nn.functional.normalize(total.to(vertices.device), dim=-1, eps=1e-20)


@numba.njit(cache=True, fastmath={"contract"})  # fused multiply-adds, as torch's cross product has
def _add_normals(
    vertices: NDArray[np.floating], triangles: NDArray[np.int64], total: NDArray[np.floating]
) -> None:
    """Adds to `total` at each vertex the normals of its triangles, as long as twice their area."""
    normals = np.empty((len(triangles), 3), vertices.dtype)
    for n in range(len(vertices)):
        x, y, z = vertices[n, :, 0], vertices[n, :, 1], vertices[n, :, 2]
        for face in range(len(triangles)):
            i, j, k = triangles[face]
            ax, ay, az = x[j] - x[i], y[j] - y[i], z[j] - z[i]
            bx, by, bz = x[k] - x[i], y[k] - y[i], z[k] - z[i]
            normals[face, 0] = ay * bz - az * by
            normals[face, 1] = az * bx - ax * bz
            normals[face, 2] = ax * by - ay * bx
        for corner in range(3):
            for face in range(len(triangles)):
                at = triangles[face, corner]
                for axis in range(3):
                    total[n, at, axis] += normals[face, axis]


def sphere_directions(count: int) -> np.ndarray:
    """Evenly spread unit vectors [count, 3] (Fibonacci lattice)."""
    index = np.arange(count) + 0.5
    height = 1 - 2 * index / count
    turn = np.pi * (1 + 5**0.5) * index
    flat = np.sqrt(1 - height**2)
    return np.stack([flat * np.cos(turn), height, flat * np.sin(turn)], -1)
