"""Surface: whether a field has one. Weighted variance Sigma, agreement of first crossing and mean
depth, shapes that face outward (method-gof 3.3)."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from gof.config.section import Count, Fraction
from gof.metrics.registry import Metric
from gof.metrics.section import SizedSection
from gof.run.columns import Column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from gof.metrics.context import Context
    from gof.metrics.scores.ray_profile import RayProfile, SurfaceTotals
    from gof.models.pretrained import Pretrained


class SurfaceSettings(SizedSection):
    """Weighted variance, surface agreement, outward shapes (method-gof 3.3)."""

    samples: Count = 64
    coarse: Annotated[int, Field(ge=8)] = Field(36, description="evenly spaced samples on a ray")
    truncation: Fraction = 0.7


Kind = tuple[str, list[float | None], list[int], str]  # metric, values, images of each, protocol


def measure(context: Context, settings: SurfaceSettings) -> dict[str, Any]:
    """Sigma with and without front clean-up, agreement of crossing and mean depth, share of
    outward-facing shapes."""
    import torch

    from gof.metrics.context import row, unmeasured

    totals = [_totals(context, settings, seed) for seed in context.seeds]
    rows, missing = [], []
    for metric, values, counts, protocol in _kinds(context.model, settings, totals):
        pairs = [(value, n) for value, n in zip(values, counts, strict=True) if value is not None]
        if pairs:
            some, images = zip(*pairs, strict=True)
            rows.append(row(context.name, metric, list(some), min(images), protocol))
        else:
            missing += unmeasured(context.name, [metric], "no ray is opaque enough")
    histogram = torch.stack([t.histogram for t in totals]).sum(0)
    share, reach = histogram / histogram.sum().clamp_min(1e-12), _reach(context.model)
    edges = torch.linspace(-reach, reach, len(share) + 1, dtype=torch.float64)
    offsets = (edges[1:] + edges[:-1]) / 2
    profile = {"offset": offsets.tolist(), "weight": share.tolist()}
    return {"rows": rows, "missing": missing, "profile": profile}


def _kinds(model: Pretrained, s: SurfaceSettings, totals: Sequence[SurfaceTotals]) -> list[Kind]:
    """What is told of the totals of each evaluation seed."""
    base = f"{s.coarse} evenly spaced samples, {s.pixels} px, psi {s.truncation:g}"
    spacing = (model.settings.far - model.settings.near) / s.coarse
    clean = f"free before the crossing less {model.interval_max / 2:g}"
    opaque, opaque_clean = [len(t.sigma) for t in totals], [len(t.sigma_clean) for t in totals]
    all_of_them = [s.samples] * len(totals)
    return [
        (
            "sigma",
            [_mean(t.sigma) for t in totals],
            opaque,
            f"{base}; x 1e4, rays with weight > 0.99 of {_counted(opaque, s.samples)}",
        ),
        (
            "sigma_clean",
            [_mean(t.sigma_clean) for t in totals],
            opaque_clean,
            f"{base}; x 1e4, rays with weight > 0.99 of {_counted(opaque_clean, s.samples)},"
            f" {clean}",
        ),
        (
            "surface_agreement",
            [t.agreeing / t.covered if t.covered else None for t in totals],
            all_of_them,
            f"{base}; first crossing within {spacing:.4f} of mean depth, rays with weight > 0.5",
        ),
        (
            "outward_fraction",
            [_mean(t.outward) for t in totals],
            all_of_them,
            f"{s.samples} frontal views of {s.pixels // 2} px, psi {s.truncation:g};"
            " depth grows away from the silhouette's centre",
        ),
    ]


def _counted(counts: Sequence[int], samples: int) -> str:
    """How many images have such rays: those that have none are left out."""
    if min(counts) == samples:
        return f"{samples} images"
    return f"{', '.join(map(str, counts))} (by evaluation seed) of {samples} images"


def _totals(context: Context, s: SurfaceSettings, seed: int) -> SurfaceTotals:
    """The totals of one evaluation seed."""
    from gof.metrics.context import poses
    from gof.metrics.scores.ray_profile import SurfaceTotals, outward, profile

    model, device = context.model, context.device
    latents = model.latents(seed, s.samples).to(device)
    seen_from = poses(model.camera, seed, s.samples).to(device)
    half = s.pixels // 2  # tells a hollow face from one that bulges
    totals = SurfaceTotals.empty(s.coarse | 1)  # bins as wide as the spacing, one in the middle
    for z, pose in zip(latents.split(1), seen_from.split(1), strict=True):
        field = model.bind(z, s.truncation)

        def look(pose: Tensor, resolution: int, field: Any = field) -> RayProfile:
            rays = model.rays(pose, resolution)
            return profile(field, rays, model.settings, s.coarse, model.interval_max)

        front = look(pose.new_zeros(pose.shape), half)
        seen = (x.unflatten(-1, (half, half)) for x in (front.surface_t, front.hit))
        totals.add(look(pose, s.pixels), outward(*seen).tolist(), _reach(model))
    return totals


def _reach(model: Pretrained) -> float:
    """Largest offset of the stored weight profile: half of the depth range."""
    return (model.settings.far - model.settings.near) / 2


def _mean(values: list[float] | list[bool]) -> float | None:
    return statistics.fmean(values) if values else None


METRIC = Metric(
    name="surface",
    section=SurfaceSettings,
    table="comparison",
    columns=(
        Column("sigma", "Σ ×1e4", rank=20),
        Column("sigma_clean", "Σ clean ×1e4", rank=21),
        Column("surface_agreement", "surface agreement", higher_is_better=True, rank=40),
        Column("outward_fraction", "outward", higher_is_better=True, rank=41),
    ),
    measure=measure,
    drawn=True,
)
