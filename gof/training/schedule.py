"""What a step of training looks like: a pure function of the configuration and the step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from gof.conditioning.settings import Conditions
from gof.experiment.model import Model
from gof.losses.settings import Opacity, Term
from gof.rendering.settings import Interval
from gof.training.settings import Stage


@dataclass(frozen=True, slots=True)
class StepPlan:
    """Settings of one step: fade is the share of the discriminator's newest block, half_width the
    interval's, lr the factor on the learning rates, weights those of the losses that hold a
    conditional model to its 3DMM (only what is not zero), guided whether its samples lie around the
    mesh."""

    stage: Stage
    step: int
    fade: float
    half_width: float
    opacity_weight: float
    lr: float = 1.0
    guided: bool = False
    weights: Mapping[str, float] = field(default_factory=dict)


def interval_half_width(interval: Interval, step: int) -> float:
    """max(min, max * exp(-decay * step)): from the whole volume to a thin shell (GOF section
    3.2)."""
    return max(interval.min, interval.max * math.exp(-interval.decay * step))


def opacity_weight(opacity: Opacity, step: int) -> float:
    """min(cap * w, w * exp(growth * step))."""
    # The exponent is capped before exp so that a long run does not overflow.
    return opacity.weight * math.exp(min(opacity.growth * step, math.log(opacity.cap)))


def cosine(progress: float) -> float:
    """From 1 to 0 along half a cosine."""
    return (1 + math.cos(math.pi * progress)) / 2


def term_weights(conditions: Conditions, stage: int, inside: int) -> dict[str, float]:
    """Weights of the conditional losses at step `inside` of a stage, where they are not zero."""
    found = {}
    for name in type(conditions).model_fields:
        term = getattr(conditions, name)
        if not isinstance(term, Term) or not term.weight or stage < term.from_stage:
            continue
        grows = stage == term.from_stage and inside < term.ramp_steps
        found[name] = term.weight * ((inside + 1) / term.ramp_steps if grows else 1.0)
    return found


def is_guided(conditions: Conditions | None, stage: int) -> bool:
    """Whether a stage samples around meshes."""
    start = conditions.guided_from if conditions else None
    return start is not None and stage >= start


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
        lr=cosine(inside / chosen.steps) if chosen.objective == "geometric" else 1.0,
        guided=is_guided(model.conditions, stage),
        weights=term_weights(model.conditions, stage, inside) if model.conditions else {},
    )
