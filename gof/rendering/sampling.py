"""Where to look along a ray. Every sampler returns t [batch, rays, n] and takes its jitter as draws
u in [0, 1)."""

from __future__ import annotations

import torch
from torch import Tensor


def stratified(low: Tensor, high: Tensor, u: Tensor) -> Tensor:
    """One sample in each of n equal bins of [low, high].

    low, high: [batch, rays] or broadcastable; u: [batch, rays, n], 0.5 everywhere for bin centres.
    """
    n = u.shape[-1]
    bins = (torch.arange(n, device=u.device) + u) / n
    return low[..., None] + (high - low)[..., None] * bins


def surface_interval(
    surface_t: Tensor, hit: Tensor, half_width: float, near: float, far: float
) -> tuple[Tensor, Tensor]:
    """Ends of the sampled interval of each ray (GOF section 3.2): surface_t -+ half_width, shifted,
    not cut, to stay inside [near, far]; the whole range for rays that hit nothing. All [batch,
    rays]."""
    width = min(2 * half_width, far - near)
    low = (surface_t - half_width).clamp(near, far - width)
    whole = torch.full_like(surface_t, near)
    low = torch.where(hit, low, whole)
    return low, torch.where(hit, low + width, whole + (far - near))


def importance(t: Tensor, weights: Tensor, u: Tensor) -> Tensor:
    """Samples from the piecewise constant density given by weights (inverse transform, NeRF section
    5.2).

    t, weights: [batch, rays, samples]; u: [batch, rays, n]. Bin i reaches half-way to the
    neighbours of t_i. Rays whose weights are all zero are sampled evenly.
    """
    middle = (t[..., 1:] + t[..., :-1]) / 2
    edges = torch.cat([t[..., :1], middle, t[..., -1:]], -1)
    n = u.shape[-1]
    density = weights + 1e-5
    cdf = torch.cumsum(density / density.sum(-1, keepdim=True), -1)
    cdf = torch.cat([torch.zeros_like(cdf[..., :1]), cdf], -1)
    quantile = (torch.arange(n, device=u.device) + u) / n
    upper = torch.searchsorted(cdf, quantile.contiguous(), right=True)
    upper = upper.clamp(1, cdf.shape[-1] - 1)
    c0, c1 = cdf.gather(-1, upper - 1), cdf.gather(-1, upper)
    e0, e1 = edges.gather(-1, upper - 1), edges.gather(-1, upper)
    return e0 + (e1 - e0) * ((quantile - c0) / (c1 - c0).clamp_min(1e-9)).clamp(0, 1)
