"""Extracted meshes."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gof.config.section import (
    Count,
    Fraction,
    Positive,
    Section,
)


class MeshSettings(Section):
    """Extracted meshes."""

    count: Count = 4
    resolution: Annotated[int, Field(ge=16, le=1024)] = Field(128, description="grid points a side")
    side: Positive = Field(0.24, description="side of the meshed cube, camera radii")
    truncation: Fraction = 0.7
