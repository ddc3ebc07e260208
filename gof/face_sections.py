"""The sections of the configuration that cGOF needs: landmarks, fits, condition pool,
regressors."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gof.sections import Count, Positive, Resolutions, Section


class Landmarks(Section):
    """68 landmarks of every image."""

    source: Literal["truth", "detector", "regressor"] = Field(
        "truth",
        description="projected vertices (data sets that hold them), face-alignment (photographs)"
        " or a trained regressor",
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


class Pool(Section):
    """Conditions drawn from the coefficients' statistics, rendered beforehand."""

    count: Count = Field(3000, description="heads")
    test: Count = Field(200, description="heads on which the regressors are tested too")
    resolutions: Resolutions = Field((16, 32, 64), description="pixels")
    shard_size: Count = Field(400, description="heads in a file")
    seed: int = 0


class Regressor(Section):
    """A CNN from image to coefficients, pose and landmarks."""

    width: Count = Field(12, description="channels of the first level")
    steps: Count = 2200
    batch: Count = 32
    lr: Positive = Field(4e-3, description="largest learning rate of the cycle")
    seed: int = 0
    deep3d: str | None = Field(
        None,
        description="epoch_20.pth of Deep3DFaceRecon_pytorch, to use its network instead of"
        " training one; the head model must then be the Basel Face Model",
    )


class Judge(Regressor):
    """The same with another width and seed, so that no model is graded by its own teacher."""

    width: Count = Field(16, description="channels of the first level")
    seed: int = 1


class Regressors(Section):
    """Networks that read faces."""

    teacher: Regressor = Field(Regressor(), description="serves the losses")
    judge: Judge = Field(Judge(), description="serves the metrics")


class Faces(Section):
    """Everything about faces that is not a generator."""

    landmarks: Landmarks = Landmarks()
    fit: Fit = Fit()
    pool: Pool = Pool()
    regressors: Regressors = Regressors()
