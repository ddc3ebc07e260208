"""Shape: distance of generated faces to the meshes they were asked for (method-cgof 5.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from gof.config.section import Fraction
from gof.metrics.registry import Metric
from gof.metrics.section import FOLLOWS, SizedSection
from gof.run.columns import Column

if TYPE_CHECKING:
    from torch import Tensor

    from gof.metrics.context import Context
    from gof.metrics.control_context import ControlContext, Found
    from gof.metrics.portraits import Subject


class ShapeSettings(SizedSection):
    """Distance of generated faces to the meshes they were asked for, seen from the front
    (method-cgof 5.3)."""

    heads: Annotated[int, Field(ge=2)] = Field(
        60, description="heads; each also meets the mesh of the next"
    )
    resolution: Annotated[int, Field(ge=4, le=1024)] | None = Field(
        None, description=f"pixels that the compared points lie on; {FOLLOWS}"
    )
    coarse: Annotated[int, Field(ge=8)] = Field(
        36, description="evenly spaced samples on a ray, before the secant steps"
    )
    truncation: Fraction = Field(0.7, description="psi of the truncated row")


def measure(context: Context, settings: ShapeSettings) -> dict[str, Any]:
    """Chamfer distance of faces to the mesh that was asked for, and to another's."""
    from gof.metrics.control_context import control_context

    return scores(control_context(context, settings.truncation), settings)


def scores(control: ControlContext, s: ShapeSettings) -> dict[str, Any]:
    """The same, of the sources of a context."""
    found: Found = {}
    left_out = 0
    for seed in control.seeds:
        for source in control.sources:
            values, missing = _shape_of(control, s, source, seed)
            left_out += missing
            for metric, value in values.items():
                found.setdefault((source.name, metric), []).append(value)
    base = f"{s.heads} frontal heads, pixels of the mesh's face less one all round, {s.pixels} px"
    how = f"{base}; symmetric, root mean square, head radii"
    protocols = {
        "chamfer": f"{how}; own mesh",
        "chamfer_cross": f"{how}; mesh and pixels of another head",
        "face_hit_share": f"{base}; share of them where the field has a surface",
    }
    rows = control.rows(found, s.heads, protocols)
    why = "no surface on the face"
    missing_rows = [
        {"model": source.name, "metric": metric, "why": why}
        for source in control.sources
        for metric in ("chamfer", "chamfer_cross")
        if (source.name, metric) not in found
    ]
    return {"rows": rows, "missing": missing_rows, "pairs_without_surface": left_out}


def _shape_of(
    control: ControlContext, s: ShapeSettings, source: Subject, seed: int
) -> tuple[dict[str, float], int]:
    """Means over heads, and how many comparisons there was no surface or face for."""
    import torch

    from gof.geometry.cameras import camera_rays
    from gof.metrics.portraits import Request
    from gof.metrics.scores.control import chamfer
    from gof.metrics.scores.depth_errors import erode
    from gof.run.files import say

    meshes = control.meshes
    latents = meshes.layout.draw(seed, "shapes", range(s.heads))
    poses = torch.zeros(s.heads, 2)
    seen = meshes.raster(source.psi * latents, poses, s.pixels)
    asked, face = seen.depth, erode(meshes.face(seen))
    request = Request(latents, poses, s.pixels, seed, "shapes")
    t, hit = source.surfaces(request, s.coarse)
    rays = camera_rays(poses[:1], s.pixels, control.camera.fov_deg)

    def points(depth: Tensor, mask: Tensor) -> Tensor:
        return rays.at(depth.reshape(1, -1, 1))[0, mask.flatten(), 0]

    distances: dict[str, list[float]] = {"chamfer": [], "chamfer_cross": []}
    missing = 0
    for metric, shift in (("chamfer", 0), ("chamfer_cross", 1)):
        for own in range(s.heads):
            other = (own + shift) % s.heads
            target = points(asked[other], face[other])
            generated = points(t[own], face[other] & hit[own])
            if min(len(target), len(generated)) == 0:
                missing += 1
            else:
                distances[metric].append(chamfer(generated, target))
    values = {name: sum(some) / len(some) for name, some in distances.items() if some}
    if missing:
        say(f"warning: {source.name}: {missing} comparisons left out: no surface on the face")
    share = float((face & hit).sum() / face.sum().clamp_min(1))
    return values | {"face_hit_share": share}, missing


METRIC = Metric(
    name="shape",
    section=ShapeSettings,
    table="control",
    columns=(
        Column("chamfer", "Chamfer", rank=20),
        Column("chamfer_cross", "Chamfer, other mesh", higher_is_better=None, rank=21),
    ),
    measure=measure,
    needs=("landmarks",),
    files=("head_model", "statistics", "floor"),
    conditional=True,
)
