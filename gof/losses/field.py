"""Losses that shape the field (GOF section 3.3)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gof.fields.field import Field
from gof.rendering.surface import normals

# log(0.1 + o) + log(1.1 - o) vanishes at o = 0 and o = 1 with this constant, -log(0.11)
OPACITY_OFFSET = -math.log(0.1 * 1.1)


def opacity_prior(occupancy: Tensor) -> Tensor:
    """Mean of log(0.1 + o) + log(1.1 - o) + 2.20727 over samples: drives occupancy to 0 or 1 (GOF
    equation 9)."""
    return (torch.log(0.1 + occupancy) + torch.log(1.1 - occupancy)).mean() + OPACITY_OFFSET


def normal_smoothness(field: Field, points: Tensor, hit: Tensor, offset: Tensor) -> Tensor:
    """Mean squared difference of unit normals at surface points and at neighbours (GOF equation 8).

    points, offset: [batch, rays, 3]; hit: [batch, rays], rays that count. Zero, with a graph, where
    nothing is hit.
    """
    both = torch.cat([points, points + offset], 1)
    here, there = normals(field, both, create_graph=True).chunk(2, dim=1)
    error = (here - there).square().mean(-1)
    return (error * hit).sum() / hit.sum().clamp_min(1)
