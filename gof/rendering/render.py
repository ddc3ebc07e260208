"""The one algorithm that turns rays into pixels: GOF, its radiance-field baseline, training and
inference.

GOF: a coarse pass finds the surface, secant steps refine it, samples in an interval around it are
composited. Baseline: coarse and importance samples are composited; the surface is found all the
same, for depth and meshes. cGOF: a mesh may say where the interval lies.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gof.fields.field import Field
from gof.geometry.cameras import Rays
from gof.rendering.composite import composite, noisy, ray_weights
from gof.rendering.interface import Guide, RenderOutput, RenderSettings
from gof.rendering.query import Everywhere, Query, Samples, colours_at
from gof.rendering.skipping import Skipping
from gof.rendering.surface import first_crossing
from gof.run.rng import Streams

VISIBLE = 1e-3  # accumulated weight above which a ray has a mean depth
Ask = Callable[[Field, Rays, RenderSettings], Query]


def fastest(field: Field, rays: Rays, settings: RenderSettings) -> Query:
    """On a CPU a field is asked only where it matters, on a GPU everywhere: shapes that depend on
    data would make the host wait."""
    everywhere = settings.everywhere or rays.origins.is_cuda
    return (Everywhere if everywhere else Skipping)(field, rays, settings)


def render(
    field: Field,
    rays: Rays,
    settings: RenderSettings,
    streams: Streams | None = None,
    guide: Guide | None = None,
    ask: Ask = fastest,
) -> RenderOutput:
    """Render rays through a field. Without streams the samples are not jittered. Where a guide
    meets a mesh, the interval lies around the mesh, elsewhere around the field's own surface.

    Gradients flow through the composited samples to the field; where to sample is found without
    gradient.
    """
    query = ask(field, rays, settings)

    def jitter(n: int) -> Tensor:
        if streams is None:
            return rays.origins.new_full((*rays.origins.shape[:2], n), 0.5)
        return streams.uniform(rays.origins.shape[1], n)

    with torch.no_grad():
        coarse_t = settings.whole(jitter(settings.coarse))
        coarse = query.coarse(coarse_t)
        hit, surface_t = _surface(query, coarse, settings)
        middle, known = surface_t, hit
        if guide is not None and settings.surface:
            middle, known = torch.where(guide.mask, guide.depth, middle), hit | guide.mask
        chosen = [] if settings.integrator == "occupancy" else [coarse_t]
        if settings.surface:
            chosen.append(settings.around(middle, known, jitter(settings.surface)))
        if settings.fine:
            weights = ray_weights(settings.alpha(coarse.logits, coarse_t))
            chosen.append(settings.likely(coarse_t, weights, jitter(settings.fine)))
        t = chosen[0] if len(chosen) == 1 else torch.cat(chosen, -1).sort(-1).values
    colours, logits = query.shade(t, coarse, known)
    if settings.density_noise and streams is not None:
        draws = streams.normal(*t.shape[1:])
        logits = noisy(logits, draws, settings.density_noise, settings.density_scale)
    return _composited(t, (colours, logits), (hit, surface_t), settings)


def render_moved(
    field: Field, rays: Rays, out: RenderOutput, settings: RenderSettings, shift: Tensor
) -> RenderOutput:
    """The samples of a render, each moved by its ray's shift [batch, rays, 3], seen through another
    field: what that field looks like when space is warped so (cGOF, volume warping). No ray is left
    out, since what the other field shows says nothing about this one; nor should it be in a render
    that this is compared with."""
    moved = Rays(rays.origins + shift, rays.directions)
    return _composited(out.t, colours_at(field, moved, out.t), (out.hit, out.surface_t), settings)


def find_surface(
    field: Field, rays: Rays, t: Tensor, logits: Tensor, settings: RenderSettings
) -> tuple[Tensor, Tensor]:
    """First crossing of samples t with these logits, refined by secant steps: hit, surface_t
    [batch, rays]."""
    return _surface(fastest(field, rays, settings), Samples(t, logits), settings)


def _surface(query: Query, samples: Samples, settings: RenderSettings) -> tuple[Tensor, Tensor]:
    crossing = first_crossing(samples.t, samples.logits - settings.level)
    return crossing.hit, torch.where(crossing.hit, query.refine(crossing), settings.far)


def _composited(
    t: Tensor,
    shaded: tuple[Tensor, Tensor],
    surface: tuple[Tensor, Tensor],
    settings: RenderSettings,
) -> RenderOutput:
    """Pixels of samples at t, of their colours and logits; surface: hit, surface_t."""
    colours, logits = shaded
    weights = ray_weights(settings.alpha(logits, t))
    alpha = weights.sum(-1)
    rgb = composite(weights, colours) + (1 - alpha[..., None]) * settings.behind(colours)
    mean_t = (weights * t).sum(-1) / alpha.clamp_min(1e-6)
    depth = torch.where(alpha > VISIBLE, mean_t, settings.far)
    return RenderOutput(rgb, alpha, depth, *surface, t, logits, weights, colours)
