"""Samples become pixels."""

from __future__ import annotations

import torch
from torch import Tensor


def occupancy_alpha(logits: Tensor) -> Tensor:
    """GOF: a sample's opacity is its occupancy, whatever the spacing (GOF equation 4)."""
    return logits.sigmoid()


def density(logits: Tensor, scale: float) -> Tensor:
    """What a radiance field makes of a field's logits: density per camera radius, scale *
    relu(logit). Density begins at logit 0."""
    return scale * logits.relu()


def noisy(logits: Tensor, draws: Tensor, spread: float, scale: float) -> Tensor:
    """Logits whose density, before it is cut at 0, is off by draws ~ N(0, 1) times `spread`, per
    camera radius (pi-GAN's regularisation of early training)."""
    return logits + draws * (spread / scale)


def density_alpha(density: Tensor, t: Tensor, far: float) -> Tensor:
    """Radiance field: 1 - exp(-density * delta); the last delta ends at far."""
    delta = torch.diff(t, dim=-1, append=torch.full_like(t[..., :1], far)).clamp_min(0)
    return -torch.expm1(-density * delta)


def ray_weights(alpha: Tensor) -> Tensor:
    """w_i = alpha_i * prod_{j<i} (1 - alpha_j) along the last axis."""
    through = torch.cumprod(1 - alpha, -1)
    before = torch.cat([torch.ones_like(through[..., :1]), through[..., :-1]], -1)
    return alpha * before


def composite(weights: Tensor, values: Tensor) -> Tensor:
    """Weighted sum over samples: values [batch, rays, samples, channels] -> [batch, rays,
    channels]."""
    return (weights[..., None] * values).sum(-2)
