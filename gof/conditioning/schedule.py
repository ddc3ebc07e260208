"""Which conditional losses a step has, and whether its samples lie around meshes."""

from __future__ import annotations

from gof.conditioning.settings import Conditions
from gof.losses.settings import Term


def term_weights(conditions: Conditions, stage: int, inside: float) -> dict[str, float]:
    """Weights of the conditional losses at step `inside` of a stage, where they are not zero."""
    found = {}
    for name in type(conditions).model_fields:
        term = getattr(conditions, name)
        if not isinstance(term, Term) or not term.weight or stage < term.from_stage:
            continue
        grows = stage == term.from_stage and inside < term.ramp_steps
        found[name] = term.weight * (min(1.0, (inside + 1) / term.ramp_steps) if grows else 1.0)
    return found


def is_guided(conditions: Conditions, stage: int) -> bool:
    """Whether a stage samples around meshes."""
    start = conditions.guided_from
    return start is not None and stage >= start
