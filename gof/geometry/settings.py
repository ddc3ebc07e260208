"""Where cameras stand and how far they see."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from gof.config.section import Positive, Section

Angle = Annotated[float, Field(ge=-math.pi, le=math.pi)]
Spread = Annotated[float, Field(ge=0, le=math.pi)]
Elevation = Annotated[float, Field(ge=-math.pi / 2, le=math.pi / 2)]


class Camera(Section):
    """Cameras on the unit sphere that look at the origin, and the depth range of their rays
    (lengths in camera radii, angles in radians)."""

    fov_deg: Annotated[float, Field(gt=0, lt=120)] = Field(
        12.0, description="full angle of view, degrees"
    )
    near: Positive = Field(0.88, description="distance along the ray where sampling starts")
    far: Positive = Field(1.12, description="distance along the ray where sampling ends")
    law: Literal["gaussian", "uniform", "sphere"] = Field(
        "gaussian",
        description="of yaw and pitch; sphere: every yaw alike, the sine of the elevation uniform"
        " between its bounds",
    )
    yaw: Spread = Field(0.3, description="standard deviation (gaussian) or half-width (uniform)")
    pitch: Spread = Field(0.155, description="likewise")
    yaw_mean: Angle = 0.0
    pitch_mean: Angle = 0.0
    elevation: tuple[Elevation, Elevation] = Field(
        (0.0, math.pi / 2), description="lowest and highest pitch (sphere)"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Camera:
        if self.far <= self.near:
            raise ValueError(f"far ({self.far}) must be larger than near ({self.near})")
        if self.elevation[1] < self.elevation[0]:
            raise ValueError(f"elevation: the lowest comes first, got {list(self.elevation)}")
        return self
