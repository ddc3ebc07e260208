"""Specks: what floats beside a shape, seen and in its mesh before the largest part is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from gof.config.section import Count, Fraction
from gof.metrics.registry import Metric
from gof.metrics.section import SizedSection
from gof.run.columns import Column

if TYPE_CHECKING:
    from gof.metrics.context import Context


class SpecksSettings(SizedSection):
    """Rays that meet, and volume of, what is not connected to the largest part of a shape."""

    samples: Count = 32
    grid: Annotated[int, Field(ge=16, le=256)] = Field(
        64, description="points a side of the cube that holds the shape"
    )
    coarse: Annotated[int, Field(ge=8)] = Field(
        36, description="evenly spaced samples on a ray, before the secant steps"
    )
    truncation: Fraction = 0.7


def measure(context: Context, settings: SpecksSettings) -> dict[str, Any]:
    """Share of rays with a surface that meet a speck first, and share of the volume that specks
    take: over all shapes of an evaluation seed, in percent."""
    from gof.metrics.context import row, unmeasured
    from gof.metrics.scores.strays import REACH

    found = [_shares(context, settings, seed) for seed in context.seeds]
    s, cells = settings, f"{settings.grid}^3 points"
    base = f"{s.samples} shapes, psi {s.truncation:g}; % outside the largest connected part"
    rays = f"{base}, of rays with a surface, {s.pixels} px, {s.coarse} evenly spaced samples"
    protocols = {
        "speck_rays": f"{rays}; more than {REACH} of {cells} away from it",
        "speck_volume": f"{base}, of {cells}",
    }
    whole = [one for one in found if one is not None]
    if len(whole) < len(found):
        why = "no shape has a surface"
        return {"rows": [], "missing": unmeasured(context.name, protocols, why)}
    rows = [
        row(context.name, metric, list(values), s.samples, protocols[metric])
        for metric, values in zip(protocols, zip(*whole, strict=True), strict=True)
    ]
    return {"rows": rows}


def _shares(context: Context, s: SpecksSettings, seed: int) -> tuple[float, float] | None:
    """Percent of rays and of volume, of one evaluation seed; None where nothing is seen."""
    from gof.metrics.context import poses
    from gof.metrics.scores import strays
    from gof.shapes.sparse_grid import Grid

    model, device = context.model, context.device
    grid = Grid(s.grid, model.settings.far - model.settings.near, device)
    latents = model.latents(seed, s.samples).to(device)
    seen_from = poses(model.camera, seed, s.samples).to(device)
    rays, stray_rays, volume, stray_volume = 0, 0, 0, 0
    for z, pose in zip(latents.split(1), seen_from.split(1), strict=True):
        field = model.bind(z, s.truncation)
        inside = strays.occupied(field, grid, model.settings.level)
        part = strays.largest(inside)
        looking = model.rays(pose, s.pixels)
        met = strays.crossings(field, looking, model.settings, s.coarse).cpu().numpy()
        rays, volume = rays + len(met), volume + int(inside.sum())
        stray_rays += int(strays.beside(met, part, grid).sum())
        stray_volume += int((inside & ~part).sum())
    return (100 * stray_rays / rays, 100 * stray_volume / volume) if rays and volume else None


METRIC = Metric(
    name="specks",
    section=SpecksSettings,
    table="geometry",
    columns=(
        Column("speck_rays", "specks, % of rays", rank=42),
        Column("speck_volume", "specks, % of volume", rank=43),
    ),
    measure=measure,
)
