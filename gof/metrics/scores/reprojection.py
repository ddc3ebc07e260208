"""How well two views of one shape agree: one is carried into the other through its depth."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from gof.geometry.cameras import camera_axes, camera_rays, project


@dataclass(frozen=True, slots=True)
class Seen:
    """Views at poses [n, 2]: rgb [n, 3, r, r] in [-1, 1]; depth [n, r, r], distance along the ray,
    camera radii; solid [n, r, r], where there is something."""

    rgb: Tensor
    depth: Tensor
    solid: Tensor
    poses: Tensor


def reprojection(one: Seen, other: Seen, fov_deg: float, slack: float) -> tuple[Tensor, Tensor]:
    """Mean absolute difference of colours, 0 to 1, between the solid pixels of `other` and where
    they lie in `one`, and the share of them that were compared: both [n].

    A pixel is compared where its point falls on solid pixels of `one` that are no nearer than the
    point, but for `slack`: else something hides it. The difference is NaN where none is.
    """
    n, r = len(other.poses), other.depth.shape[-1]
    points = camera_rays(other.poses, r, fov_deg).at(other.depth.flatten(1)[..., None]).squeeze(2)
    plane, _ = project(points, one.poses, fov_deg)
    at = (plane * plane.new_tensor([1.0, -1.0]))[:, :, None]  # rows run downward
    distance = (points - camera_axes(one.poses)[2][:, None]).norm(dim=-1)

    def there(values: Tensor, mode: str = "bilinear") -> Tensor:
        return F.grid_sample(values, at, mode, "zeros", align_corners=False)[..., 0]

    solid = there(one.solid[:, None].float())[:, 0] > 0.999
    seen = there(one.depth[:, None], "nearest")[:, 0]
    compared = other.solid.flatten(1) & solid & (distance < seen + slack)
    apart = (there(one.rgb) - other.rgb.flatten(2)).abs().mean(1) / 2
    count = compared.sum(1)
    error = torch.where(compared, apart, 0).sum(1) / count
    return error, count / other.solid.view(n, -1).sum(1).clamp(min=1)
