"""What a step of training looks like: a pure function of the configuration and the step."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gof.experiment.model import Model
from gof.losses.settings import Opacity
from gof.rendering.settings import DensityNoise, Interval
from gof.training.settings import Stage


@dataclass(frozen=True, slots=True)
class StepPlan:
    """Settings of one step: fade is the share of the discriminator's newest block, half_width the
    interval's, density_noise that of a radiance field, lr the factor on the learning rates; it is
    step number `inside` of stage number `number`."""

    stage: Stage
    step: int
    fade: float
    half_width: float
    opacity_weight: float
    density_noise: float = 0.0
    lr: float = 1.0
    number: int = 0
    inside: int = 0


def interval_half_width(interval: Interval, step: int) -> float:
    """max(min, max * exp(-decay * step)): from the whole volume to a thin shell (GOF section
    3.2)."""
    return max(interval.min, interval.max * math.exp(-interval.decay * step))


def density_noise(noise: DensityNoise, step: int) -> float:
    """start * max(0, 1 - step / steps)."""
    return noise.start * max(0.0, 1 - step / noise.steps)


def opacity_weight(opacity: Opacity, step: int) -> float:
    """min(cap * w, w * exp(growth * step))."""
    # The exponent is capped before exp so that a long run does not overflow.
    return opacity.weight * math.exp(min(opacity.growth * step, math.log(opacity.cap)))


def cosine(progress: float) -> float:
    """From 1 to 0 along half a cosine."""
    return (1 + math.cos(math.pi * progress)) / 2


def plan(model: Model, stage: int, step: int) -> StepPlan:
    """The plan of global step `step`, which lies in stage number `stage`."""
    chosen = model.stages[stage]
    inside = step - model.first_step(stage)
    fade = 1.0
    if stage > 0 and model.stages[stage - 1].resolution < chosen.resolution:
        fade = min(1.0, (inside + 1) / max(1, chosen.fade_steps))
    return StepPlan(
        stage=chosen,
        step=step,
        fade=fade,
        half_width=interval_half_width(model.interval, step),
        opacity_weight=opacity_weight(model.opacity, step),
        density_noise=density_noise(model.density_noise, step),
        lr=cosine(inside / chosen.steps) if chosen.objective == "geometric" else 1.0,
        number=stage,
        inside=inside,
    )
