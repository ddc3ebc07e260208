"""Errors of depth maps: SIDE, MAD and their mask, as in Unsup3D (Wu et al. 2020, section 4.1).

Depth is distance along the ray, in camera radii.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from gof.geometry.cameras import camera_rays
from gof.run.files import InputError


def erode(mask: Tensor) -> Tensor:
    """Masks [n, h, w] without the pixels that touch (8 neighbours) a pixel off the mask or the
    image's edge."""
    off = F.pad((~mask).float()[:, None], (1, 1, 1, 1), value=1.0)
    return F.max_pool2d(off, 3, 1).squeeze(1) == 0


def side(depth: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """Scale-invariant depth error of each image: standard deviation over the mask of log depth -
    log truth; [n]."""
    count = mask.sum((1, 2))
    apart = torch.where(mask, depth.clamp_min(1e-6).log() - truth.clamp_min(1e-6).log(), 0.0)
    apart = apart.double()
    mean = apart.sum((1, 2)) / count
    centred = torch.where(mask, apart - mean[:, None, None], 0.0)
    return (centred.square().sum((1, 2)) / count).sqrt()


def depth_normals(depth: Tensor, fov_deg: float) -> Tensor:
    """Unit normals [n, 3, h, w] in camera axes (x right, y up, z toward the camera) from depth
    along rays [n, h, w].

    Central differences of the back-projected points; the outermost pixels are zero.
    """
    r = depth.shape[-1]
    rays = camera_rays(depth.new_zeros(1, 2, dtype=torch.float64), r, fov_deg)
    directions = rays.directions[0].T.reshape(3, r, r)
    points = directions * depth[:, None].double()
    right = points[:, :, 1:-1, 2:] - points[:, :, 1:-1, :-2]
    up = points[:, :, :-2, 1:-1] - points[:, :, 2:, 1:-1]
    across = torch.cross(right, up, dim=1)
    return F.pad(across / _length(across).clamp_min(1e-12), (1, 1, 1, 1))


def _length(vectors: Tensor) -> Tensor:
    """Lengths of vectors along the second axis, which is kept; there torch's norm is slow."""
    return vectors.square().sum(1, keepdim=True).sqrt()


def mad(depth: Tensor, truth: Tensor, mask: Tensor, fov_deg: float) -> Tensor:
    """Mean angle deviation of each image: mean angle over the mask between normals of the two
    depths, degrees; [n].

    mask must leave out the image's border and neighbours of pixels without truth (see `erode`).
    """
    a, b = depth_normals(depth, fov_deg), depth_normals(truth, fov_deg)
    angle = torch.atan2(_length(torch.cross(a, b, dim=1)).squeeze(1), (a * b).sum(1))
    angle = torch.where(mask, torch.rad2deg(angle), 0.0)
    return angle.sum((1, 2)) / mask.sum((1, 2))


def depth_errors(
    blocks: Iterable[tuple[Tensor, Tensor, Tensor]], fov_deg: float
) -> tuple[float, float]:
    """(SIDE x 100, MAD in degrees), means over images. blocks: found depth, true depth and
    foreground [n, r, r] of some images at a time.

    The mask is the true foreground less one pixel, the same for every predictor (a network here
    predicts no mask). Images whose mask is empty are left out. Raises InputError when all are.
    """
    sides, angles = [], []
    for depth, truth, foreground in blocks:
        mask = erode(foreground)
        kept = mask.flatten(1).any(1)
        some = depth[kept], truth[kept], mask[kept]
        sides.append(side(*some))
        angles.append(mad(*some, fov_deg))
    if not sum(map(len, sides)):
        raise InputError("depth errors: no test image has foreground: look at the data set")
    return 100 * float(torch.cat(sides).mean()), float(torch.cat(angles).mean())


def mean_depth(blocks: Iterable[tuple[Tensor, Tensor]]) -> Tensor:
    """Mean depth of each pixel over the images that cover it, [h, w]; the overall mean where none
    does. blocks: depth and mask [n, h, w] of some images at a time."""
    sums = [(m.sum(0), torch.where(m, depth, 0.0).double().sum(0)) for depth, m in blocks]
    count, total = (torch.stack(column).sum(0) for column in zip(*sums, strict=True))
    overall = total.sum() / count.sum()
    return torch.where(count > 0, total / count.clamp_min(1), overall).float()
