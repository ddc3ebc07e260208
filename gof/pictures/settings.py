"""Sample sheets and turntables."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gof.config.section import (
    Count,
    Fraction,
    Positive,
    Section,
)

LEAST = 64  # pixels, below which shapes are hard to judge


class Samples(Section):
    """Sample sheets and the turntable."""

    latents: Count = 8
    yaws: tuple[float, ...] = Field((-0.5, 0.0, 0.5), description="radians")
    pitch: float = Field(0.0, description="of all views, radians")
    resolution: Annotated[int, Field(ge=4, le=2048)] | None = Field(
        None, description=f"null: that of the model's last stage, at least {LEAST}"
    )
    truncation: Fraction = 0.7
    turntable_frames: Count = 24
    turntable_yaw: Positive = Field(0.6, description="largest yaw of the turntable, radians")

    def size(self, trained: int) -> int:
        """Pixels of a picture by a model whose last stage had `trained`."""
        return self.resolution or max(trained, LEAST)
