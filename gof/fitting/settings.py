"""Landmarks and 3DMM fits of a data set."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gof.config.section import (
    Count,
    Positive,
    Section,
)


class LandmarkSettings(Section):
    """68 landmarks of every image."""

    source: Literal["truth", "detector", "regressor"] | None = Field(
        None,
        description="truth: projected vertices; detector: face-alignment, or MediaPipe's networks"
        " (gof[faces]); regressor: a trained one; null: the truth where a data set holds it, else a"
        " detector",
    )


class Fit(Section):
    """3DMM fit of every image: damped Gauss-Newton on landmarks, then light and albedo."""

    iterations: Count = Field(20, description="Gauss-Newton steps at most")
    sigma: Positive | None = Field(
        None,
        description="standard deviation of a landmark, image half-widths; null: 0.002 where the"
        " landmarks are the truth, else 0.02",
    )
    contour: Positive | None = Field(
        None,
        description="how many times larger it is on the jaw line, along which detectors slide;"
        " null: 1 where the landmarks are the truth, else 2.5",
    )
    roll: Positive = Field(
        0.005,
        description="standard deviation of a head's roll, radians; unaligned photographs: 0.3",
    )
    shift: Positive = Field(
        0.002,
        description="standard deviation of a head's place, camera radii; unaligned photographs:"
        " 0.02",
    )
    expression_spread: Positive = Field(
        0.03, description="added to the prior standard deviation of every expression unit"
    )
    region: Literal["head", "face"] = Field(
        "head", description="which vertices the colours are fitted on; photographs: face"
    )
    largest_residual: Positive = Field(
        10.0,
        description="mean landmark error beyond which a fit has failed, percent of the distance of"
        " the outer corners of the eyes",
    )
