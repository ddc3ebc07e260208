"""Disentanglement: what else moves when one factor alone is drawn anew (method-cgof 5.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from gof.config.section import Count, Fraction
from gof.metrics.registry import Metric
from gof.metrics.section import FOLLOWS, SizedSection
from gof.run.columns import Column

if TYPE_CHECKING:
    from gof.metrics.context import Context
    from gof.metrics.control_context import ControlContext, Found
    from gof.metrics.portraits import Subject
    from gof.readers.interface import Reading


class Disentanglement(SizedSection):
    """Disentanglement Score of each factor: what else moves when one factor alone is drawn anew
    (method-cgof 5.2)."""

    subjects: Count = Field(30, description="heads, each with all its factors")
    variations: Annotated[int, Field(ge=2)] = Field(
        6, description="images of a subject, in which one factor differs"
    )
    resolution: Annotated[int, Field(ge=16, le=1024)] | None = Field(
        None, description=f"size of the images the judge reads; {FOLLOWS}"
    )
    truncation: Fraction = Field(0.7, description="psi of the truncated row")


def measure(context: Context, settings: Disentanglement) -> dict[str, Any]:
    """Disentanglement Score of shape, expression, pose and light; the spreads it is made of."""
    from gof.metrics.control_context import control_context

    return scores(control_context(context, settings.truncation), settings)


def scores(control: ControlContext, s: Disentanglement) -> dict[str, Any]:
    """The same, of the sources of a context."""
    from gof.data.reader import load_images
    from gof.metrics.control_context import BLOCKS_OF
    from gof.metrics.scores.control import disentanglement_score

    test = load_images(control.context.manifest, control.context.split, s.pixels)
    real = control.read(test.float() / 127.5 - 1)
    found: Found = {}
    spreads: dict[str, dict[str, dict[str, float]]] = {}
    share = 1 / len(control.seeds)
    for seed in control.seeds:
        unit = _real_spreads(control, s, real, seed)
        for source in control.sources:
            for factor in BLOCKS_OF:
                own = _factor_spreads(control, s, source, (seed, factor))
                own = {key: value / unit[key] for key, value in own.items()}
                mean = spreads.setdefault(source.name, {}).setdefault(
                    factor, dict.fromkeys(own, 0.0)
                )
                for key, value in own.items():
                    mean[key] += share * value
                score = disentanglement_score(own, factor)
                found.setdefault((source.name, f"ds_{factor}"), []).append(score)
    how = (
        f"{s.subjects} subjects x {s.variations} images, {s.pixels} px, only"
        f" {{}} drawn anew; judge's readings, spreads over those of {control.context.split} renders"
    )
    protocols = {f"ds_{factor}": how.format(factor) for factor in BLOCKS_OF}
    rows = control.rows(found, s.subjects * s.variations, protocols)
    return {"rows": rows, "spreads": spreads}


def _real_spreads(
    control: ControlContext, s: Disentanglement, real: Reading, seed: int
) -> dict[str, float]:
    """Spread of every factor over as many test images as a subject has variations, mean over as
    many draws as there are subjects."""
    import torch

    from gof.metrics.control_context import BLOCKS_OF
    from gof.metrics.scores.control import spread
    from gof.run.rng import generator

    draws = generator(seed, "control, test images")
    groups = [
        torch.randperm(len(real.z), generator=draws)[: s.variations] for _ in range(s.subjects)
    ]
    rows = torch.stack(groups)
    return {key: float(spread(control.seen_of(real, key)[rows]).mean()) for key in BLOCKS_OF}


def _factor_spreads(
    control: ControlContext, s: Disentanglement, source: Subject, varied: tuple[int, str]
) -> dict[str, float]:
    """Spread of every factor over the images of a subject in which one factor alone is drawn anew,
    mean over subjects. varied: evaluation seed and that factor."""
    from gof.metrics.control_context import BLOCKS_OF
    from gof.metrics.portraits import Request
    from gof.metrics.scores.control import spread

    (seed, factor), layout = varied, control.meshes.layout
    count = s.subjects * s.variations
    latents = layout.draw(seed, "subjects", range(s.subjects))
    latents = latents.repeat_interleave(s.variations, 0)
    poses = control.poses(seed, "poses of subjects", s.subjects)
    poses = poses.repeat_interleave(s.variations, 0)
    anew = layout.draw(seed, f"variations of {factor}", range(count))
    for block in BLOCKS_OF[factor]:
        latents[:, layout.place(block)] = anew[:, layout.place(block)]
    if factor == "pose":
        poses = control.poses(seed, "variations of pose", count)
    request = Request(latents, poses, s.pixels, seed, f"varied {factor}")
    read = control.read(source.portraits(request).rgb)
    shape = (s.subjects, s.variations, -1)
    return {
        key: float(spread(control.seen_of(read, key).reshape(shape)).mean()) for key in BLOCKS_OF
    }


METRIC = Metric(
    name="disentanglement",
    section=Disentanglement,
    table="control",
    columns=(
        Column("ds_shape", "DS shape", higher_is_better=True, rank=10),
        Column("ds_expression", "DS expression", higher_is_better=True, rank=11),
        Column("ds_pose", "DS pose", higher_is_better=True, rank=12),
        Column("ds_light", "DS light", higher_is_better=True, rank=13),
    ),
    measure=measure,
    needs=("images", "landmarks"),
    files=("head_model", "statistics", "judge", "floor"),
    conditional=True,
)
