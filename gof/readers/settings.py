"""Networks that read faces."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gof.config.section import (
    Count,
    Positive,
    Section,
    Seed,
)


class Regressor(Section):
    """A CNN from image to coefficients, pose and landmarks."""

    width: Count = Field(12, description="channels of the first level")
    steps: Annotated[Count, Field(ge=3)] = 2200
    batch: Count = 32
    lr: Positive = Field(4e-3, description="largest learning rate of the cycle")
    seed: Seed = 0
    deep3d: str | None = Field(
        None,
        description="epoch_20.pth of Deep3DFaceRecon_pytorch, to use its network instead of"
        " training one; the head model must then be the Basel Face Model",
    )


class Judge(Regressor):
    """The same with another width and seed, so that no model is graded by its own teacher."""

    width: Count = Field(16, description="channels of the first level")
    seed: Seed = 1


class Regressors(Section):
    """Networks that read faces."""

    teacher: Regressor = Field(Regressor(), description="serves the losses")
    judge: Judge = Field(Judge(), description="serves the metrics")
