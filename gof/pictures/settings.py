"""Sample sheets and turntables."""

from __future__ import annotations

from pydantic import Field

from gof.config.section import (
    Count,
    Fraction,
    Positive,
    Resolution,
    Section,
)


class Samples(Section):
    """Sample sheets and the turntable."""

    latents: Count = 8
    yaws: tuple[float, ...] = Field((-0.5, 0.0, 0.5), description="radians")
    resolution: Resolution = 64
    truncation: Fraction = 0.7
    turntable_frames: Count = 24
    turntable_yaw: Positive = Field(0.6, description="largest yaw of the turntable, radians")
