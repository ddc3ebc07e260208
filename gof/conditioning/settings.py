"""What makes a model obey a 3DMM."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, model_validator

from gof.config.section import (
    Count,
    CountOrZero,
    Fraction,
    Resolutions,
    Section,
    Seed,
)
from gof.losses.settings import Term


class Conditions(Section):
    """Makes a model obey a 3DMM (cGOF): what its latent holds beside the face's coefficients, and
    the losses that hold it (method-cgof 3)."""

    free_geometry: CountOrZero = Field(8, description="latent entries for shape that is no face")
    free_texture: CountOrZero = Field(8, description="latent entries for colour that is no face")
    mapping_width: Count = Field(
        256, description="units a hidden layer of the mapping network, which reads coefficients"
    )
    guided_from: CountOrZero | None = Field(
        0, description="first stage that samples around the mesh of the coefficients; null: none"
    )
    geometric: Term = Field(
        Term(weight=1.0, from_stage=0),
        description="occupancy before and behind the mesh, as labels (the warm start)",
    )
    colour: Term = Field(
        Term(weight=1.0, from_stage=0), description="colour on the mesh, that of its render"
    )
    reconstruction: Term = Field(
        Term(weight=1.0), description="coefficients the regressor reads, whitened"
    )
    distance: Term = Field(Term(weight=10.0), description="weight far from the mesh")
    background: Term = Field(Term(weight=10.0), description="weight in front of the face beside it")
    depth_smoothness: Term = Field(Term(weight=10.0, from_stage=2), description="steps of depth")
    landmarks_2d: Term = Field(
        Term(weight=10.0, from_stage=2), description="landmarks the regressor reads"
    )
    landmarks_3d: Term = Field(
        Term(weight=30.0, from_stage=2), description="those landmarks lifted by the depth"
    )
    warping: Term = Field(
        Term(weight=1.0, from_stage=2), description="one field warped to another expression's"
    )
    warping_images: Count = Field(1, description="images of a micro-batch that are warped")
    geometric_rays: Count = Field(128, description="labelled rays of an image")
    landmark_rays: Fraction = Field(
        0.4, description="share of them near landmarks of brows, eyes, nose and mouth"
    )

    @model_validator(mode="before")
    @classmethod
    def _keep_defaults(cls, given: Any) -> Any:
        """A loss of which only some settings are given keeps its own defaults of the others."""
        if not isinstance(given, Mapping):
            return given
        found = dict(given)
        for name, field in cls.model_fields.items():
            if isinstance(field.default, Term) and isinstance(given.get(name), Mapping):
                found[name] = field.default.model_dump() | dict(given[name])
        return found

    def upto(self, stage: int) -> Conditions:
        """The same without the terms that only later stages have."""
        later: dict[str, Term | None] = {
            name: Term()
            for name in type(self).model_fields
            if isinstance(term := getattr(self, name), Term) and term.from_stage > stage
        }
        if self.guided_from is not None and self.guided_from > stage:
            later["guided_from"] = None
        return self.model_copy(update=later)


class PoolSettings(Section):
    """Conditions drawn from the coefficients' statistics, rendered beforehand."""

    count: Count = Field(3000, description="heads")
    test: Count = Field(200, description="heads on which the regressors are tested too")
    resolutions: Resolutions = Field((16, 32, 64), description="pixels")
    shard_size: Count = Field(400, description="heads in a file")
    seed: Seed = 0
