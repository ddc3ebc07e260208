"""What a step of training looks like: a pure function of the configuration and the step."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gof.experiment.model import Model
from gof.losses.settings import Opacity
from gof.rendering.settings import DensityNoise, Interval
from gof.training.budget import Span
from gof.training.settings import Stage


@dataclass(frozen=True, slots=True)
class StepPlan:
    """Settings of one step: fade is the share of the discriminator's newest block, half_width the
    interval's, density_noise that of a radiance field, lr the factor on the learning rates.

    step: how many steps were taken before it; scheduled, inside: where the schedules of the run and
    of its stage, number `number`, have got to, in the steps of the configuration: the same, but
    where a budget of minutes decides how many steps there are.
    """

    stage: Stage
    step: int
    fade: float
    half_width: float
    opacity_weight: float
    density_noise: float = 0.0
    lr: float = 1.0
    number: int = 0
    inside: float = 0
    scheduled: float = 0


def interval_half_width(interval: Interval, step: float) -> float:
    """max(min, max * exp(-decay * step)): from the whole volume to a thin shell (GOF section
    3.2)."""
    return max(interval.min, interval.max * math.exp(-interval.decay * step))


def density_noise(noise: DensityNoise, step: float) -> float:
    """start * max(0, 1 - step / steps)."""
    return noise.start * max(0.0, 1 - step / noise.steps)


def opacity_weight(opacity: Opacity, step: float) -> float:
    """min(cap * w, w * exp(growth * step))."""
    # The exponent is capped before exp so that a long run does not overflow.
    return opacity.weight * math.exp(min(opacity.growth * step, math.log(opacity.cap)))


def cosine(progress: float) -> float:
    """From 1 to 0 along half a cosine."""
    return (1 + math.cos(math.pi * progress)) / 2


def plan(model: Model, stage: int, step: int, span: Span | None = None) -> StepPlan:
    """The plan of global step `step`, which lies in stage number `stage`. span: the steps of the
    stage, where budgets decide; until they are known, its schedules stand still."""
    chosen = model.stages[stage]
    inside: float = step - model.first_step(stage)
    if span is not None:
        inside = (step - span.begin) * chosen.steps / span.steps if span.steps else 0
    scheduled = model.first_step(stage) + inside
    fade = 1.0
    if stage > 0 and model.stages[stage - 1].resolution < chosen.resolution:
        fade = min(1.0, (inside + 1) / max(1, chosen.fade_steps))
    return StepPlan(
        stage=chosen,
        step=step,
        fade=fade,
        half_width=interval_half_width(model.interval, scheduled),
        opacity_weight=opacity_weight(model.opacity, scheduled),
        density_noise=density_noise(model.density_noise, scheduled),
        lr=cosine(inside / chosen.steps) if chosen.objective == "geometric" else 1.0,
        number=stage,
        inside=inside,
        scheduled=scheduled,
    )
