"""Landmarks: those that the judge reads in generated images against those of the meshes they were
asked for (method-cgof 5.3)."""

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
    from gof.metrics.portraits import Portraits, Subject


class LandmarkControl(SizedSection):
    """Landmarks that the judge reads in generated images against those of the meshes they were
    asked for (method-cgof 5.3)."""

    pairs: Annotated[int, Field(ge=2)] = Field(
        40, description="pairs of heads; three images of each are read"
    )
    resolution: Annotated[int, Field(ge=16, le=1024)] | None = Field(
        None, description=f"pixels; {FOLLOWS}"
    )
    truncation: Fraction = Field(0.7, description="psi of the truncated row")


def measure(context: Context, settings: LandmarkControl) -> dict[str, Any]:
    """Distance of landmarks from those of the meshes, and whether they move as the meshes' do."""
    from gof.metrics.control_context import control_context

    return scores(control_context(context, settings.truncation), settings)


def scores(control: ControlContext, s: LandmarkControl) -> dict[str, Any]:
    """The same, of the sources of a context."""
    found: Found = {}
    for seed in control.seeds:
        for source in control.sources:
            for metric, value in _landmarks_of(control, s, source, seed).items():
                found.setdefault((source.name, metric), []).append(value)
    base = f"judge's landmarks, {s.pairs} pairs of frontal heads, {s.pixels} px"
    lifted = f"{base}; 51 lifted by the image's depth, cosine of differences in the world"
    protocols = {
        "landmark_distance": f"{base}; % of the outer eye corners' distance",
        "landmark_correlation": lifted,
        "landmark_correlation_cross": f"{lifted}, against the difference of another pair",
        "expression_transfer": f"{base}; the second with the first's expression: error of the"
        " movement of brows, eyes and mouth over that of the mesh",
    }
    return {"rows": control.rows(found, s.pairs, protocols)}


def _landmarks_of(
    control: ControlContext, s: LandmarkControl, source: Subject, seed: int
) -> dict[str, float]:
    import torch

    from gof.metrics.portraits import Request
    from gof.metrics.scores.control import MOVING, correlation, transfer_error
    from gof.morphable.landmarks import FIRST_INNER, nme_percent

    meshes = control.meshes
    first = meshes.layout.draw(seed, "first heads", range(s.pairs))
    second = meshes.layout.draw(seed, "second heads", range(s.pairs))
    moved = second.clone()
    place = meshes.layout.place("expression")
    moved[:, place] = first[:, place]
    latents = torch.cat([first, second, moved])
    poses = torch.zeros(len(latents), 2)
    request = Request(latents, poses, s.pixels, seed, "landmarks")
    seen = source.portraits(request)
    read = control.read(seen.rgb).landmarks
    wanted, wanted_3d = meshes.landmarks(source.psi * latents, poses)
    world = _lifted(read, seen, poses, control.camera.fov_deg)
    a, b, _ = world.chunk(3)
    mesh_a, mesh_b, _ = wanted_3d[:, FIRST_INNER:].chunk(3)
    step = mesh_a - mesh_b
    _, plain, changed = read[:, list(MOVING)].chunk(3)
    _, plain_mesh, changed_mesh = wanted[:, list(MOVING)].chunk(3)
    return {
        "landmark_distance": float(nme_percent(read, wanted).mean()),
        "landmark_correlation": float(correlation(a - b, step).mean()),
        "landmark_correlation_cross": float(correlation(a - b, step.roll(1, 0)).mean()),
        "expression_transfer": transfer_error(changed - plain, changed_mesh - plain_mesh),
    }


def _lifted(read: Tensor, seen: Portraits, poses: Tensor, fov_deg: float) -> Tensor:
    """Inner landmarks [n, 51, 3] in the world. One read just beside the head gets the depth of the
    head's nearest pixel; the median over neighbours keeps the lips out of an open mouth."""
    from gof.losses.conditional import lift
    from gof.metrics.scores.control import filled, median
    from gof.morphable.landmarks import FIRST_INNER

    depth = median(filled(seen.depth, seen.mask))
    return lift(read[:, FIRST_INNER:], depth, (poses, fov_deg))


METRIC = Metric(
    name="landmarks",
    section=LandmarkControl,
    table="control",
    columns=(
        Column("landmark_distance", "landmarks (%)", rank=30),
        Column("landmark_correlation", "landmark corr.", higher_is_better=True, rank=31),
        Column("landmark_correlation_cross", "other pair's", higher_is_better=None, rank=32),
        Column("expression_transfer", "expression transfer", rank=33),
    ),
    measure=measure,
    needs=("landmarks",),
    files=("head_model", "statistics", "judge", "floor"),
    conditional=True,
)
