"""Where cameras stand and how far they see."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from gof.config.section import (
    NonNegative,
    Positive,
    Section,
)


class Camera(Section):
    """Cameras on the unit sphere that look at the origin, and the depth range of their rays
    (lengths in camera radii)."""

    fov_deg: Annotated[float, Field(gt=0, lt=120)] = Field(
        12.0, description="full angle of view, degrees"
    )
    near: Positive = Field(0.88, description="distance along the ray where sampling starts")
    far: Positive = Field(1.12, description="distance along the ray where sampling ends")
    prior: Literal["gaussian", "uniform"] = Field("gaussian", description="law of yaw and pitch")
    yaw: NonNegative = Field(
        0.3, description="standard deviation (gaussian) or half-width (uniform), radians"
    )
    pitch: NonNegative = Field(
        0.155, description="standard deviation (gaussian) or half-width (uniform), radians"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Camera:
        if self.far <= self.near:
            raise ValueError(f"far ({self.far}) must be larger than near ({self.near})")
        return self
