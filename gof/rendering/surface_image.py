"""A quick look at an occupancy model: one colour a ray."""

from __future__ import annotations

import torch
from torch import Tensor

from gof.fields.field import Field
from gof.geometry.cameras import Rays
from gof.rendering.interface import RenderSettings
from gof.rendering.query import Everywhere, Query
from gof.rendering.render import find_surface
from gof.rendering.skipping import Skipping, these_first


@torch.no_grad()
def surface_image(field: Field, rays: Rays, settings: RenderSettings) -> tuple[Tensor, Tensor]:
    """What an occupancy model looks like by one colour a ray, at its surface: rgb [batch, rays, 3]
    over the background, and the crossing's t [batch, rays], far where there is none.

    The first of the evenly spaced samples behind a crossing, which is the one that `render` sees,
    lies half of their spacing behind it on average, so the colour is taken there.
    """
    query: Query = Everywhere(field, rays, settings)
    if not rays.origins.is_cuda:
        query = Skipping(field, rays, settings, hits_only=True)
    middles = rays.origins.new_full((*rays.origins.shape[:2], settings.coarse), 0.5)
    coarse = query.coarse(settings.whole(middles))
    hit, surface_t = find_surface(field, rays, coarse.t, coarse.logits, settings)
    some = these_first(hit)
    few, behind = rays.pick(some), settings.half_width / settings.surface
    at = few.at((surface_t.gather(1, some) + behind)[..., None]).squeeze(2)
    colours, _ = field.radiance(at, few.directions)
    rgb = torch.zeros_like(rays.origins).scatter(1, some[..., None].expand(-1, -1, 3), colours)
    return torch.where(hit[..., None], rgb, rgb.new_tensor(settings.background)), surface_t
