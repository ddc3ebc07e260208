"""The data set `heads`."""

from __future__ import annotations

from pydantic import Field, model_validator

from gof.config.section import (
    Count,
    Fraction,
    Resolutions,
    Section,
)


class Heads(Section):
    """The default data set: renders of random heads from the CC0 head model."""

    train: Count = Field(3000, description="training identities, one image each")
    validation: Count = Field(200, description="validation identities, one image each")
    test: Count = Field(600, description="test identities, one image each")
    resolutions: Resolutions = Field((64, 128), description="image sizes to render, pixels")
    background: tuple[Fraction, Fraction, Fraction] = Field(
        # No skin, hair or lip has this colour: on white, bright skin is learnt as a hole in the
        # head.
        (0.45, 0.55, 0.7),
        description="background colour, 0 to 1",
    )
    identity_components: Count = Field(
        80, description="principal components of identity kept in the head model"
    )
    identities_for_pca: Count = Field(
        1500, description="random identities the components are computed from"
    )
    shard_size: Count = Field(500, description="images in a file")
    seed: int = Field(0, description="seed of the head model and of the renders")

    @model_validator(mode="after")
    def _possible(self) -> Heads:
        if self.identity_components >= self.identities_for_pca:
            raise ValueError(
                f"identity_components ({self.identity_components}) must be fewer than "
                f"identities_for_pca ({self.identities_for_pca})"
            )
        return self
