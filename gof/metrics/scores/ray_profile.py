"""How much of a surface a field has: weighted variance Sigma, agreement of two depths, which way
shapes face."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from gof.fields.field import Field
from gof.geometry.cameras import Rays
from gof.rendering.composite import ray_weights
from gof.rendering.interface import RenderSettings
from gof.rendering.render import find_surface
from gof.rendering.sampling import stratified
from gof.run.memory import in_parts

OPAQUE = 0.99  # accumulated weight of the rays that Sigma counts
COVERED = 0.5  # accumulated weight of the rays whose two depths are compared
EPSILON = 1e-5
SCALE = 1e4  # Sigma is given in units of 1e-4


@dataclass(frozen=True, slots=True)
class RayProfile:
    """Evenly spaced samples along rays over all of [near, far], and the first crossing among them.

    t, weights: [batch, rays, samples], clean_weights likewise with everything well before the
    crossing made free; hit, surface_t: [batch, rays]; spacing of the samples, camera radii.
    """

    t: Tensor
    weights: Tensor
    clean_weights: Tensor
    hit: Tensor
    surface_t: Tensor
    spacing: float


@torch.no_grad()
def evenly_sampled(
    field: Field, rays: Rays, settings: RenderSettings, samples: int
) -> tuple[Tensor, Tensor]:
    """t and logits [batch, rays, samples] of evenly spaced points over all of [near, far]."""
    near, far = rays.origins.new_tensor(settings.near), rays.origins.new_tensor(settings.far)
    middle = rays.origins.new_full((*rays.origins.shape[:2], samples), 0.5)
    t = stratified(near, far, middle)
    return t, field.logits(rays.at(t).flatten(1, 2)).reshape(t.shape)


@torch.no_grad()
def first_crossings(
    field: Field, rays: Rays, settings: RenderSettings, samples: int
) -> tuple[Tensor, Tensor]:
    """First crossing among so many evenly spaced samples of each ray: hit, surface_t [batch,
    rays]."""

    def look(rays: Rays) -> tuple[Tensor, Tensor]:
        t, logits = evenly_sampled(field, rays, settings, samples)
        return find_surface(field, rays, t, logits, settings)

    seen: tuple[Tensor, Tensor] = in_parts(look, rays, dim=1)
    return seen


@torch.no_grad()
def profile(
    field: Field, rays: Rays, settings: RenderSettings, samples: int, interval_max: float
) -> RayProfile:
    """Composite `samples` evenly spaced points, no surface or fine samples, for either integrator
    (method-gof 3.3).

    The front clean-up of the released GOF makes samples nearer than surface_t - interval_max / 2
    free; here it is applied to any field. Rays that hit nothing keep all samples.
    """

    def look(rays: Rays) -> tuple[Tensor, ...]:
        t, logits = evenly_sampled(field, rays, settings, samples)
        hit, surface_t = find_surface(field, rays, t, logits, settings)
        alpha = settings.alpha(logits, t)
        front = hit[..., None] & (t < (surface_t - interval_max / 2)[..., None])
        clean = ray_weights(alpha.masked_fill(front, 0.0))
        return t, ray_weights(alpha), clean, hit, surface_t

    t, weights, clean, hit, surface_t = in_parts(look, rays, dim=1)
    spacing = (settings.far - settings.near) / samples
    return RayProfile(t, weights, clean, hit, surface_t, spacing)


def mean_t(weights: Tensor, t: Tensor) -> Tensor:
    """Mean of t under the weights, [batch, rays]; 0 where they all vanish."""
    return (weights * t).sum(-1) / weights.sum(-1).clamp_min(1e-9)


def weighted_variance(weights: Tensor, t: Tensor) -> Tensor:
    """sum_i w_i (t_i - mean)^2 / ((sum w + 1e-5) (n - 1) / n) of each ray: [..., samples] -> [...]
    (Sigma of the GOF paper)."""
    n = t.shape[-1]
    squares = (weights * (t - mean_t(weights, t)[..., None]).square()).sum(-1)
    return squares / ((weights.sum(-1) + EPSILON) * (n - 1) / n)


def sigma(weights: Tensor, t: Tensor) -> list[float]:
    """Sigma times 1e4 of each image: mean weighted variance of its rays with accumulated weight
    above 0.99.

    weights, t: [batch, rays, samples]. Images without such a ray are left out.
    """
    variance = weighted_variance(weights, t)
    chosen = weights.sum(-1) > OPAQUE
    pairs = zip(variance, chosen, strict=True)
    return [float(v[c].double().mean()) * SCALE for v, c in pairs if bool(c.any())]


def agreement(rays: RayProfile) -> tuple[int, int]:
    """How many covered rays (accumulated weight above 0.5) there are, and on how many of them the
    first crossing lies within one sample spacing of the mean depth: (agreeing, covered)."""
    covered = rays.weights.sum(-1) > COVERED
    apart = (mean_t(rays.weights, rays.t) - rays.surface_t).abs()
    agrees = covered & rays.hit & (apart <= rays.spacing)
    return int(agrees.sum()), int(covered.sum())


def outward(surface_t: Tensor, hit: Tensor) -> Tensor:
    """Whether frontal views show shapes that bulge toward the camera: surface_t, hit [n, h, w] ->
    bool [n].

    True where, over the pixels hit, depth correlates positively with the distance from the
    silhouette's centre. A hollow face (deepest in its middle) gives False, and so does a view with
    fewer than 3 % of its pixels hit.
    """
    h, w = hit.shape[1:]
    y, x = torch.meshgrid(
        torch.linspace(-1, 1, h, device=hit.device),
        torch.linspace(-1, 1, w, device=hit.device),
        indexing="ij",
    )
    mask = hit.to(torch.float64)
    count = mask.sum((1, 2), keepdim=True).clamp_min(1)

    def centred(values: Tensor) -> Tensor:
        return (values - (values * mask).sum((1, 2), keepdim=True) / count) * mask

    radius = torch.hypot(
        x - (x * mask).sum((1, 2), keepdim=True) / count,
        y - (y * mask).sum((1, 2), keepdim=True) / count,
    )
    covariance = (centred(radius) * centred(surface_t.to(torch.float64))).sum((1, 2))
    return (covariance > 0) & (hit.flatten(1).float().mean(1) >= 0.03)


def weight_histogram(rays: RayProfile, bins: int, reach: float) -> Tensor:
    """Sum over opaque rays of the weight that lies at each offset from the ray's mean depth, [bins]
    in float64.

    Offsets run from -reach to reach; what lies outside is counted at the ends. Divide by its sum
    for a density.
    """
    opaque = rays.weights.sum(-1) > OPAQUE
    weights, t = rays.weights[opaque], rays.t[opaque]
    offset = t - mean_t(weights, t)[..., None]
    index = ((offset / reach + 1) / 2 * bins).floor().clamp(0, bins - 1).long()
    flat = torch.zeros(bins, dtype=torch.float64, device=weights.device)
    return flat.index_add_(0, index.flatten(), weights.flatten().double())


def quick_sigma(field: Field, rays: Rays, settings: RenderSettings, samples: int = 36) -> float:
    """Sigma times 1e4 of a few images during training, without clean-up.

    Where no ray is opaque there is no surface to speak of: the variance of evenly spread weights is
    returned.
    """
    seen = profile(field, rays, settings, samples, interval_max=0.0)
    values = sigma(seen.weights, seen.t)
    if not values:
        return (settings.far - settings.near) ** 2 / 12 * SCALE
    return sum(values) / len(values)


@dataclass(slots=True)
class SurfaceTotals:
    """Sums over the images of one evaluation seed."""

    sigma: list[float]
    sigma_clean: list[float]
    agreeing: int
    covered: int
    outward: list[bool]
    histogram: Tensor

    @classmethod
    def empty(cls, bins: int) -> SurfaceTotals:
        """Nothing seen yet."""
        return cls([], [], 0, 0, [], torch.zeros(bins, dtype=torch.float64))

    def add(self, rays: RayProfile, faces: Iterable[bool], reach: float) -> None:
        """Count the images of a profile and the orientation of their frontal views."""
        self.sigma += sigma(rays.weights, rays.t)
        self.sigma_clean += sigma(rays.clean_weights, rays.t)
        agreeing, covered = agreement(rays)
        self.agreeing += agreeing
        self.covered += covered
        self.outward += list(faces)
        self.histogram += weight_histogram(rays, len(self.histogram), reach).cpu()
