"""The data set of rendered heads."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from gof.config.section import Colour, Count, Seed
from gof.data.settings import DataSet


class RenderedHeads(DataSet):
    """Renders of random heads, one image of each identity."""

    source: Literal["heads"] = "heads"
    # No skin, hair or lip has this colour: on white, bright skin is learnt as a hole in the head.
    background: Colour = Field((0.45, 0.55, 0.7), description="background colour, 0 to 1")
    train: Count = Field(3000, description="training identities, one image each")
    validation: Count = Field(200, description="validation identities, one image each")
    test: Count = Field(600, description="test identities, one image each")
    identity_components: Count = Field(
        80, description="principal components of identity kept in the head model"
    )
    identities_for_pca: Count = Field(
        1500, description="random identities the components are computed from"
    )
    seed: Seed = Field(0, description="seed of the head model and of the renders")

    @model_validator(mode="after")
    def _possible(self) -> RenderedHeads:
        if self.identity_components >= self.identities_for_pca:
            raise ValueError(
                f"identity_components ({self.identity_components}) must be fewer than "
                f"identities_for_pca ({self.identities_for_pca})"
            )
        return self
