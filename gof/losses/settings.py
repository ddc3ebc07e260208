"""Weights of losses."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gof.config.section import (
    Count,
    CountOrZero,
    NonNegative,
    Positive,
    Section,
)


class Opacity(Section):
    """Opacity prior; its weight at a step is min(cap * weight, weight * exp(growth * step))."""

    weight: NonNegative = 0.1
    growth: NonNegative = 1.15e-3
    cap: Positive = 10.0
    of: Literal["occupancy", "red"] = Field(
        "occupancy",
        description="what it drives to 0 or 1: red, as in the released code, leaves occupancies"
        " alone",
    )


class NormalSmoothness(Section):
    """Weight and neighbour distance (camera radii) of the normal smoothness loss."""

    weight: NonNegative = 0.0
    distance: Positive = 1e-3
    rays: Count = Field(128, description="rays of an image it looks at, drawn from those that hit")


class Term(Section):
    """A loss: its weight, from which stage on it counts, and over how many steps it then grows to
    that weight."""

    weight: NonNegative = 0.0
    from_stage: CountOrZero = 1
    ramp_steps: CountOrZero = 0
