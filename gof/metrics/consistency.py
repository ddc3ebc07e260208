"""Consistency: the error of one view carried into another through the rendered depth."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from gof.config.section import Count, Fraction
from gof.metrics.registry import Metric
from gof.metrics.section import SizedSection
from gof.run.columns import Column

if TYPE_CHECKING:
    from collections.abc import Callable

    from gof.metrics.context import Context
    from gof.metrics.scores.reprojection import Seen

    Look = Callable[[int], tuple[Seen, Seen]]  # two views of the shapes of an evaluation seed


class ConsistencySettings(SizedSection):
    """Reprojection error between two views of a shape."""

    samples: Count = 32
    yaw: Annotated[float, Field(gt=0, le=1)] = Field(
        0.25, description="the views stand so far to the left and to the right, radians"
    )
    slack: Annotated[float, Field(gt=0)] = Field(
        0.01, description="how much nearer what hides a point must be, camera radii"
    )
    truncation: Fraction = 0.7


def measure(context: Context, settings: ConsistencySettings) -> dict[str, Any]:
    """Reprojection error of a generator's images; for references also of held-out images that are
    painted on a ball, whose views agree but for their pixels, and on boards that turn to every
    camera, so that no depth is that of a body."""
    from gof.metrics.context import row, unmeasured

    s, looks = settings, _looks(context, settings)
    base = (
        f"{s.samples} shapes, psi {s.truncation:g}, {s.pixels} px, from -{s.yaw:g} to {s.yaw:g} rad"
    )
    rows, missing = [], []
    for name, look in looks.items():
        scores = [_score(context, s, *look(seed)) for seed in context.seeds]
        errors, shares = zip(*scores, strict=True)
        if any(map(math.isnan, errors)):
            why = "no point is seen in both views"
            missing += unmeasured(name, ["reprojection", "seen_by_both"], why)
            continue
        shown = f"{base}; mean colour difference, 0 to 255, of pixels that both views see"
        rows.append(row(name, "reprojection", list(errors), s.samples, shown))
        shown = f"{base}; share of a view's pixels that nothing hides from the other"
        rows.append(row(name, "seen_by_both", list(shares), s.samples, shown))
    return {"rows": rows, "missing": missing}


def _score(
    context: Context, s: ConsistencySettings, left: Seen, right: Seen
) -> tuple[float, float]:
    """Error (0 to 255) and share over all pairs of an evaluation seed."""
    from gof.metrics.scores.reprojection import reprojection

    error, share = reprojection(left, right, context.manifest.camera.fov_deg, s.slack)
    return 255 * float(error.nanmean()), float(share.mean())


def _looks(context: Context, s: ConsistencySettings) -> dict[str, Look]:
    """What is looked at, by row name."""
    import torch

    yaws = (-s.yaw, s.yaw)
    sides = [torch.tensor([[yaw, 0.0]]).expand(s.samples, 2) for yaw in yaws]

    def generated(seed: int) -> tuple[Seen, Seen]:
        from gof.metrics.scores.reprojection import Seen
        from gof.pictures.views import ViewRequest, render_views

        latents = context.model.latents(seed, s.samples)
        both = []
        for poses in sides:
            views = render_views(context.model, ViewRequest(latents, poses, s.pixels, s.truncation))
            both.append(Seen(views.rgb, views.depth, views.alpha > 0.5, poses))
        return both[0], both[1]

    found: dict[str, Look] = {context.name: generated}
    if context.reference:
        found["solid"] = lambda seed: _painted(context, s, seed, sides, solid=True)
        found["billboard"] = lambda seed: _painted(context, s, seed, sides, solid=False)
    return found


def _painted(context: Context, s: ConsistencySettings, seed: int, sides: Any, solid: bool) -> Any:
    """Held-out images on a ball, or each on a board that faces the camera: two views."""
    import torch.nn.functional as F

    from gof.data.reader import Reader
    from gof.geometry.cameras import camera_axes, camera_rays
    from gof.metrics.scores.reprojection import Seen

    reader = Reader(context.manifest, context.split)
    n = min(s.samples, len(reader))
    chosen = context.subset(seed, f"{context.split} images", len(reader), n).tolist()
    images = reader.images(s.pixels, chosen).float() / 127.5 - 1
    radius = 0.8 * (context.manifest.camera.far - context.manifest.camera.near) / 2
    both = []
    for side in sides:
        poses = side[:n]
        rays = camera_rays(poses, s.pixels, context.manifest.camera.fov_deg)
        # The near crossing of a ball around the origin; a board shows the same pixels.
        along = (rays.origins * rays.directions).sum(-1)
        inside = along**2 - (rays.origins**2).sum(-1) + radius**2
        if solid:
            depth = -along - inside.clamp(min=0).sqrt()
            points = rays.at(depth[..., None]).squeeze(2)
            where = points[..., :2] * points.new_tensor([1.0, -1.0]) / radius
            rgb = F.grid_sample(images, where[:, :, None], align_corners=False)[..., 0]
        else:
            depth = -1 / (rays.directions * camera_axes(poses)[2][:, None]).sum(-1)
            rgb = images.flatten(2)
        image, depth, there = (
            x.unflatten(-1, (s.pixels, s.pixels)) for x in (rgb, depth, inside > 0)
        )
        both.append(Seen(image, depth, there, poses))
    return both[0], both[1]


METRIC = Metric(
    name="consistency",
    section=ConsistencySettings,
    table="geometry",
    columns=(
        Column("reprojection", "reprojection error", rank=46),
        Column("seen_by_both", "seen by both", higher_is_better=True, rank=47),
    ),
    measure=measure,
)
