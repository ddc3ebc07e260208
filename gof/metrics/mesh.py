"""Mesh: smoothness and compactness of extracted meshes, the mean curvature and mean geodesic
distance of the GOF paper (method-gof 3.4). The paper calls less better; but least is a ball's, so
that tables mark neither as best."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from gof.config.section import Count, Fraction
from gof.metrics.registry import Metric
from gof.metrics.section import MetricSection
from gof.run.columns import Column

if TYPE_CHECKING:
    from gof.metrics.context import Context


class MeshGeometrySettings(MetricSection):
    """Mean curvature and geodesic distance of the largest part of a mesh, its cut at the border of
    the cube included."""

    samples: Count = 4
    grid: Annotated[int, Field(ge=16, le=512)] = Field(48, description="points a side of the cube")
    sources: Count = Field(1, description="random points that geodesics start from, a mesh")
    truncation: Fraction = 0.7


def measure(context: Context, settings: MeshGeometrySettings) -> dict[str, Any]:
    """Means over the meshes of each evaluation seed."""
    from gof.metrics.context import row, unmeasured

    found = [_means(context, settings, seed) for seed in context.seeds]
    whole = [one for one in found if one is not None]
    if len(whole) < len(found):
        why = "a shape has no surface"
        return {"rows": [], "missing": unmeasured(context.name, PROTOCOLS, why)}
    values = zip(*whole, strict=True)
    s = settings
    base = f"{s.samples} meshes of {s.grid}^3 points, psi {s.truncation:g}, largest part"
    return {
        "rows": [
            row(context.name, metric, list(each), s.samples, f"{base}; {PROTOCOLS[metric]}")
            for metric, each in zip(PROTOCOLS, values, strict=True)
        ]
    }


PROTOCOLS = {
    "mean_curvature": "mean |H| over the surface, of a sphere of the same area 1 (libigl)",
    "geodesic_distance": "mean distance along the surface, of a sphere of the same area 1 (libigl)",
}


def _means(context: Context, s: MeshGeometrySettings, seed: int) -> tuple[float, float] | None:
    """Curvature and distance of one evaluation seed; None where a shape has no surface."""
    import numpy as np

    from gof.metrics.scores.mesh_geometry import geodesic_distance, mean_curvature, vertex_areas
    from gof.shapes.marching import extract
    from gof.shapes.sparse_grid import Grid

    model = context.model
    grid = Grid(s.grid, model.settings.far - model.settings.near, context.device)
    curvatures, distances = [], []
    for number, z in enumerate(model.latents(seed, s.samples).to(context.device).split(1)):
        surface = extract(model.bind(z, s.truncation), grid, model.settings.level)
        if surface is None:
            return None
        vertices, faces = surface.vertices.astype(np.float64), surface.faces.astype(np.int64)
        area = vertex_areas(vertices, faces)
        draws = np.random.default_rng([seed, number])
        sources = draws.choice(len(vertices), s.sources, p=area / area.sum())
        curvatures.append(mean_curvature(vertices, faces))
        distances.append(geodesic_distance(vertices, faces, sources))
    return float(np.mean(curvatures)), float(np.mean(distances))


METRIC = Metric(
    name="mesh",
    section=MeshGeometrySettings,
    table="geometry",
    columns=(
        Column("mean_curvature", "mean curvature", higher_is_better=None, rank=44),
        Column("geodesic_distance", "geodesic distance", higher_is_better=None, rank=45),
    ),
    measure=measure,
)
