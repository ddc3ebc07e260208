"""The one algorithm that turns rays into pixels: GOF, its radiance-field baseline, training and
inference.

GOF: a coarse pass finds the surface, secant steps refine it, samples in an interval around it are
composited. Baseline: coarse and importance samples are composited; the surface is found all the
same, for depth and meshes. cGOF: a mesh may say where the interval lies.

The field is asked only where it matters: the coarse pass of an image looks between every second ray
only where they came near something that shows; secant steps where there is a crossing, colours
where the coarse pass came near something.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from gof.fields.field import Field
from gof.geometry.cameras import Rays
from gof.geometry.settings import Camera
from gof.rendering.composite import composite, density_alpha, occupancy_alpha, ray_weights
from gof.rendering.sampling import importance, stratified, surface_interval
from gof.rendering.settings import Sampling
from gof.rendering.surface import first_crossing, secant
from gof.run.rng import Streams

NEAR = 6.0  # logits below the surface's level at which a sample shows no more: occupancy 1 / 400
PASS = 2**12  # samples at which a pass over coarse samples takes no second one of each ray
Wanted = Literal["weights", "shown", "hits"]  # of a coarse pass: each less than the one before
EMPTY = -30.0  # the logit of samples that are not evaluated: opacity 0 to rounding


@dataclass(frozen=True, slots=True)
class RenderSettings:
    """How a ray is sampled and composited; `half_width` is the interval's at this moment of
    training."""

    integrator: Literal["occupancy", "density"]
    coarse: int
    secant: int
    surface: int
    fine: int
    tau: float
    density_scale: float
    near: float
    far: float
    half_width: float
    background: tuple[float, float, float]  # in [-1, 1]

    @classmethod
    def of(
        cls,
        integrator: Literal["occupancy", "density"],
        sampling: Sampling,
        half_width: float,
        place: tuple[Camera, tuple[float, float, float]],
    ) -> RenderSettings:
        """Settings of a model before a camera and a background in [-1, 1]."""
        s, (camera, background) = sampling, place
        return cls(
            integrator=integrator,
            coarse=s.coarse,
            secant=s.secant,
            surface=s.surface,
            fine=s.fine,
            tau=s.tau,
            density_scale=s.density_scale,
            near=camera.near,
            far=camera.far,
            half_width=half_width,
            background=background,
        )

    @property
    def level(self) -> float:
        """The logit that counts as surface: occupancy tau, or opacity tau over one coarse
        spacing."""
        if self.integrator == "occupancy":
            return math.log(self.tau / (1 - self.tau))
        spacing = (self.far - self.near) / self.coarse
        return -math.log(1 - self.tau) / (self.density_scale * spacing)

    def alpha(self, logits: Tensor, t: Tensor) -> Tensor:
        """Opacity of samples with these logits at t."""
        if self.integrator == "occupancy":
            return occupancy_alpha(logits)
        return density_alpha(logits, t, self.far, self.density_scale)


@dataclass(frozen=True, slots=True)
class RenderOutput:
    """A rendered batch. Rays [batch, rays]; samples [batch, rays, samples], sorted by t.

    rgb [batch, rays, 3] in [-1, 1] over the background; alpha, sum of weights; depth, mean t under
    the weights (far where they vanish); hit and surface_t, the first free-to-occupied crossing (far
    where there is none); shown, the rays that were evaluated, the others are empty; colours [batch,
    rays, samples, 3], what the samples shine with.
    """

    rgb: Tensor
    alpha: Tensor
    depth: Tensor
    hit: Tensor
    surface_t: Tensor
    shown: Tensor
    t: Tensor
    logits: Tensor
    weights: Tensor
    colours: Tensor


@dataclass(frozen=True, slots=True)
class Guide:
    """A mesh that says where the surface is (cGOF, mesh-guided volume sampler): its depth along
    rays and whether they meet it, both [batch, rays]."""

    depth: Tensor
    mask: Tensor


def render(
    field: Field,
    rays: Rays,
    settings: RenderSettings,
    streams: Streams | None = None,
    guide: Guide | None = None,
) -> RenderOutput:
    """Render rays through a field. Without streams the samples are not jittered. Where a guide
    meets a mesh, the interval lies around the mesh, elsewhere around the field's own surface. On a
    CPU, rays of a square image between others that come near nothing are taken to be empty.

    Gradients flow through the composited samples to the field; where to sample is found without
    gradient.
    """
    batch, count = rays.origins.shape[:2]

    def jitter(n: int) -> Tensor:
        if streams is None:
            return rays.origins.new_full((batch, count, n), 0.5)
        return streams.uniform(count, n)

    with torch.no_grad():
        weighted = settings.integrator == "density" or settings.fine > 0
        coarse_t = _coarse_t(rays, settings, jitter(settings.coarse))
        coarse_logits = _coarse_of_image(
            field, rays, coarse_t, settings, "weights" if weighted else "shown"
        )
        hit, surface_t = find_surface(field, rays, coarse_t, coarse_logits, settings)
        shown = coarse_logits.amax(-1) > settings.level - NEAR
        chosen = [] if settings.integrator == "occupancy" else [coarse_t]
        if settings.surface:
            middle, known = surface_t, hit
            if guide is not None:
                middle, known = torch.where(guide.mask, guide.depth, middle), hit | guide.mask
                shown = shown | guide.mask
            ends = surface_interval(middle, known, settings.half_width, settings.near, settings.far)
            chosen.append(stratified(*ends, jitter(settings.surface)))
        if settings.fine:
            weights = ray_weights(settings.alpha(coarse_logits, coarse_t))
            chosen.append(importance(coarse_t, weights, jitter(settings.fine)))
        t = chosen[0] if len(chosen) == 1 else torch.cat(chosen, -1).sort(-1).values
    return _shade(field, rays, _Samples(t, hit, surface_t, shown), settings)


@torch.no_grad()
def render_surface(field: Field, rays: Rays, settings: RenderSettings) -> tuple[Tensor, Tensor]:
    """What an occupancy model looks like by one colour a ray, at its surface: rgb [batch, rays, 3]
    over the background, and the crossing's t [batch, rays], far where there is none.

    The first of the evenly spaced samples behind a crossing, which is the one that `render` sees,
    lies half of their spacing behind it on average, so the colour is taken there.
    """
    middles = rays.origins.new_full((*rays.origins.shape[:2], settings.coarse), 0.5)
    coarse_t = _coarse_t(rays, settings, middles)
    logits = _coarse_of_image(field, rays, coarse_t, settings, "hits")
    hit, surface_t = find_surface(field, rays, coarse_t, logits, settings)
    some = _these_first(hit)
    few, behind = rays.pick(some), settings.half_width / settings.surface
    at = few.at((surface_t.gather(1, some) + behind)[..., None]).squeeze(2)
    colours, _ = field.radiance(at, few.directions)
    rgb = torch.zeros_like(rays.origins).scatter(1, some[..., None].expand(-1, -1, 3), colours)
    return torch.where(hit[..., None], rgb, rgb.new_tensor(settings.background)), surface_t


def render_moved(
    field: Field, rays: Rays, out: RenderOutput, settings: RenderSettings, shift: Tensor
) -> RenderOutput:
    """The samples of a render, each moved by its ray's shift [batch, rays, 3], seen through another
    field: what that field looks like when space is warped so (cGOF, volume warping)."""
    samples = _Samples(out.t, out.hit, out.surface_t, out.shown)
    return _shade(field, rays, samples, settings, shift)


def find_surface(
    field: Field, rays: Rays, t: Tensor, logits: Tensor, settings: RenderSettings
) -> tuple[Tensor, Tensor]:
    """First crossing of samples t with these logits, refined by secant steps: hit, surface_t
    [batch, rays]."""
    crossing = first_crossing(t, logits - settings.level)

    def value_at(t: Tensor, numbers: Tensor) -> Tensor:
        return _logits(field, rays.pick(numbers), t[..., None]).squeeze(-1) - settings.level

    root = secant(crossing, value_at, _these_first, settings.secant)
    return crossing.hit, torch.where(crossing.hit, root, settings.far)


def _these_first(wanted: Tensor) -> Tensor:
    """Numbers [batch, k] of rays to evaluate: those wanted [batch, rays], and others to fill up to
    the most that an image of the batch wants. All rays on a GPU, where shapes that depend on data
    would make the host wait."""
    most = wanted.shape[1] if wanted.is_cuda else int(wanted.sum(1).max())
    return wanted.to(torch.uint8).argsort(dim=1, descending=True, stable=True)[:, :most]


def _coarse_t(rays: Rays, settings: RenderSettings, u: Tensor) -> Tensor:
    """Samples t of the coarse pass for draws u, both [batch, rays, samples]."""
    near, far = (u.new_full(u.shape[:2], x) for x in (settings.near, settings.far))
    return stratified(near, far, u)


def _coarse_of_image(
    field: Field, rays: Rays, t: Tensor, settings: RenderSettings, only: Wanted
) -> Tensor:
    """Logits of the coarse pass at t [batch, rays, samples], as far as they are wanted. Of square
    images, every second ray of every second row first; of the others only those next to one that
    came near, the rest are empty.

    Near is what shows. Where only hits are wanted it is what is no further below the surface's
    level than the largest logits of neighbours differ: as much may they differ half as far away.
    """
    batch, count = t.shape[:2]
    side = math.isqrt(count)
    if side**2 != count or side % 2 or t.is_cuda:
        return _coarse(field, rays, t, settings, only)
    logits = torch.full_like(t, EMPTY)

    def look(some: Tensor) -> None:
        each = some[..., None].expand(-1, -1, t.shape[-1])
        found = _coarse(field, rays.pick(some), t.gather(1, each), settings, only)
        logits.scatter_(1, each, found)

    first = torch.arange(count).view(side, side)[::2, ::2].reshape(1, -1).expand(batch, -1)
    look(first)
    best = logits.amax(-1).view(batch, 1, side, side)[..., ::2, ::2]
    margin = best.new_tensor(NEAR)
    if only == "hits":
        high, low = F.max_pool2d(best, 3, 1, 1), -F.max_pool2d(-best, 3, 1, 1)
        margin = (high - low).clamp_max(NEAR)
    near = torch.zeros(batch, 1, side, side)
    near[..., ::2, ::2] = (best > settings.level - margin).float()
    look(_these_first((F.max_pool2d(near, 3, 1, 1).flatten(1) > 0).scatter(1, first, False)))
    return logits


def _coarse(field: Field, rays: Rays, t: Tensor, settings: RenderSettings, only: Wanted) -> Tensor:
    """Logits at t [batch, rays, samples]; those behind the first crossing may be left out, as
    empty, where weights are wanted those behind samples that together hide them."""
    if t.is_cuda:
        return _logits(field, rays, t)
    logits, going = torch.full_like(t, EMPTY), torch.ones_like(t[..., 0], dtype=torch.bool)
    start = 0
    while start < t.shape[-1] and bool(going.any()):
        some = _these_first(going)
        part = slice(start, start + max(1, PASS // some.numel()))
        rows = torch.arange(len(t))[:, None], some
        found = _logits(field, rays.pick(some), t[rows][..., part])
        logits[..., part] = logits[..., part].index_put(rows, found)
        past = first_crossing(t, logits - settings.level).hit
        if only == "weights":
            left = 1 - ray_weights(settings.alpha(logits, t)).sum(-1)
            past &= left < math.exp(-NEAR)
        going &= ~past
        start = part.stop
    return logits


def _logits(field: Field, rays: Rays, t: Tensor) -> Tensor:
    return field.logits(rays.at(t).flatten(1, 2)).reshape(t.shape)


@dataclass(frozen=True, slots=True)
class _Samples:
    """Where rays are sampled, and what is known of them; see RenderOutput."""

    t: Tensor
    hit: Tensor
    surface_t: Tensor
    shown: Tensor


def _shade(
    field: Field,
    rays: Rays,
    samples: _Samples,
    settings: RenderSettings,
    shift: Tensor | None = None,
) -> RenderOutput:
    t = samples.t
    points = rays.at(t) if shift is None else rays.at(t) + shift[:, :, None]
    some = _these_first(samples.shown)
    rows = torch.arange(len(t), device=t.device)[:, None], some
    at, directions = points[rows], rays.directions[rows][:, :, None]
    rgb, found = field.radiance(at.flatten(1, 2), directions.expand_as(at).flatten(1, 2))
    found = torch.where(samples.shown[rows][..., None], found.reshape(at.shape[:-1]), EMPTY)
    logits = torch.full_like(t, EMPTY).index_put(rows, found)
    colours = torch.zeros_like(points).index_put(rows, rgb.reshape(at.shape))
    weights = ray_weights(settings.alpha(logits, t))
    alpha = weights.sum(-1)
    background = rgb.new_tensor(settings.background)
    image = composite(weights, colours) + (1 - alpha[..., None]) * background
    mean_t = (weights * t).sum(-1) / alpha.clamp_min(1e-6)
    depth = torch.where(alpha > 1e-3, mean_t, settings.far)
    return RenderOutput(
        rgb=image,
        alpha=alpha,
        depth=depth,
        hit=samples.hit,
        surface_t=samples.surface_t,
        shown=samples.shown,
        t=t,
        logits=logits,
        weights=weights,
        colours=colours,
    )
