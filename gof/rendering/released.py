"""The rules of the authors' code, where they differ from those of `gof.rendering.interface`: for
their weights alone, which look as they should only by them. `compat: released` in a generator.yaml
chooses them; nothing else of the renderer knows them (docs/deviations.md, docs/authors-weights.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from gof.geometry.cameras import Rays, plane_rays
from gof.rendering.composite import density, occupancy_alpha
from gof.rendering.interface import RenderSettings
from gof.rendering.sampling import surface_interval
from gof.rendering.settings import Released

SURFACE = 20.0  # per camera radius: the density at which cGOF's scripts cut a mesh
ENDLESS = 1e10  # how far the last sample's density reaches
LEAST = 1e-5  # their importance sampling adds it to the weights twice


@dataclass(frozen=True, slots=True)
class ReleasedSettings(RenderSettings):
    """Settings with the authors' rules; see `RenderSettings` for what each does."""

    everywhere: ClassVar[bool] = True  # each ray shows at least its last sample

    rules: Released = Released()  # noqa: RUF009 (frozen)

    @classmethod
    def by(cls, settings: RenderSettings, rules: Released) -> ReleasedSettings:
        """The same settings by other rules."""
        own = {field.name: getattr(settings, field.name) for field in fields(RenderSettings)}
        return cls(**own, rules=rules)

    @property
    def level(self) -> float:
        """Of a density SURFACE, however many samples a ray has."""
        if self.integrator == "occupancy":
            return math.log(self.tau / (1 - self.tau))
        return SURFACE / self.density_scale

    def rays(self, poses: Tensor, resolution: int, fov_deg: float) -> Rays:
        """The outer pixels look along the edges of the field of view."""
        across = torch.linspace(-1, 1, resolution, dtype=poses.dtype, device=poses.device)
        y, x = torch.meshgrid(-across, across, indexing="ij")
        rays = plane_rays(torch.stack([x, y], -1).reshape(-1, 2), poses, fov_deg)
        directions = rays.directions
        if self.rules.plane:
            directions = directions / -(directions * rays.origins).sum(-1, keepdim=True)
        return replace(rays, directions=directions, side=resolution)

    def whole(self, u: Tensor) -> Tensor:
        """From near to far; those of an occupancy are never jittered."""
        if self.integrator == "occupancy":
            u = torch.full_like(u, 0.5)
        return _evenly(u.new_tensor(self.near), u.new_tensor(self.far), u)

    def around(self, middle: Tensor, known: Tensor, u: Tensor) -> Tensor:
        """From one end of the interval to the other."""
        return _evenly(*surface_interval(middle, known, self.half_width, *self.rules.depths), u)

    def likely(self, t: Tensor, weights: Tensor, u: Tensor) -> Tensor:
        """From the bins between the middles of the coarse samples' spacings, weighted by the
        samples within; the first and last sample count for nothing."""
        edges, share = (t[..., 1:] + t[..., :-1]) / 2, weights[..., 1:-1] + 2 * LEAST
        below = torch.cumsum(share / share.sum(-1, keepdim=True), -1)
        below = torch.cat([torch.zeros_like(below[..., :1]), below], -1)
        quantile = _evenly(u.new_zeros(()), u.new_ones(()), u).expand_as(u).clamp(0, 1)
        upper = torch.searchsorted(below, quantile.contiguous())
        low, high = (upper - 1).clamp_min(0), upper.clamp_max(share.shape[-1])
        start, edge = below.gather(-1, low), edges.gather(-1, low)
        span = below.gather(-1, high) - start
        part = (quantile - start) / torch.where(span < LEAST, 1.0, span)
        return edge + part * (edges.gather(-1, high) - edge)

    def alpha(self, logits: Tensor, t: Tensor) -> Tensor:
        """The last sample of a density reaches to infinity."""
        if self.integrator == "occupancy":
            return occupancy_alpha(logits)
        sigma = density(logits, self.density_scale)
        if self.rules.clamp == "softplus":
            sigma = F.softplus(logits * self.density_scale)
        delta = torch.cat([t.diff(dim=-1), torch.full_like(t[..., :1], ENDLESS)], -1)
        return -torch.expm1(-sigma * delta)

    def behind(self, colours: Tensor) -> Tensor:
        """The last sample's colour, where their scripts fill the background with it."""
        return colours[..., -1, :] if self.rules.last_back else colours.new_tensor(self.background)


def _evenly(low: Tensor, high: Tensor, u: Tensor) -> Tensor:
    """n samples from low to high, both included, each moved by u - 0.5 of their spacing: [batch,
    rays, n]."""
    n = u.shape[-1]
    step = torch.arange(n, dtype=u.dtype, device=u.device) + (u - 0.5)
    return low[..., None] + (high - low)[..., None] * step / max(n - 1, 1)
