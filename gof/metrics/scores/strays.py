"""What floats beside a shape: surface and volume that are not connected to its largest part."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from gof.fields.field import Field
from gof.geometry.cameras import Rays
from gof.metrics.scores.ray_profile import first_crossings
from gof.rendering.interface import RenderSettings
from gof.run.memory import in_parts
from gof.shapes.sparse_grid import Grid

CHUNK = 2**17  # points evaluated together
REACH = 2  # cells from the largest part within which a crossing is its own


@torch.no_grad()
def occupied(field: Field, grid: Grid, level: float) -> np.ndarray:
    """Which points of a grid are within the surface {logit = level}: bool [n, n, n] by x, y, z.
    field: one image."""
    axis = torch.arange(grid.n, device=grid.device)
    points = grid.points(torch.cartesian_prod(axis, axis, axis))

    def within(part: Tensor) -> Tensor:
        return field.logits(part[None])[0] > level

    inside = [in_parts(within, part) for part in points.split(CHUNK)]
    return torch.cat(inside).view(grid.n, grid.n, grid.n).cpu().numpy()


def largest(inside: np.ndarray) -> np.ndarray:
    """The largest connected part of a set of points (faces, edges and corners connect): bool, of
    the same shape."""
    label, count = ndimage.label(inside, np.ones((3, 3, 3)))
    if not count:
        return np.zeros_like(inside)
    sizes = np.bincount(label.ravel())
    sizes[0] = 0
    return np.asarray(label == sizes.argmax())


def beside(points: np.ndarray, part: np.ndarray, grid: Grid) -> np.ndarray:
    """Which points [n, 3] lie farther than REACH cells from a part of the grid: bool [n]. What
    lies outside the grid belongs to its border."""
    near = ndimage.binary_dilation(part, np.ones((3, 3, 3)), iterations=REACH)
    index = np.rint((points + grid.side / 2) / grid.spacing).astype(int).clip(0, grid.n - 1)
    return ~near[tuple(index.T)]


@torch.no_grad()
def crossings(field: Field, rays: Rays, settings: RenderSettings, samples: int) -> Tensor:
    """First crossings [hits, 3] among so many evenly spaced samples of each ray of one image, with
    no regard to where training sampled."""
    hit, surface_t = first_crossings(field, rays, settings, samples)
    return rays.at(surface_t[..., None]).squeeze(2)[hit]
