"""The field and its mapping network."""

from __future__ import annotations

from pydantic import Field

from gof.config.section import (
    Count,
    NonNegative,
    Positive,
    Section,
)


class FieldNetwork(Section):
    """FiLM-SIREN field and its mapping network (method-gof 1; sizes of the paper: 8 layers of
    256)."""

    layers: Count = Field(4, description="FiLM-SIREN layers before the occupancy head")
    width: Count = Field(64, description="units a layer")
    latent: Count = Field(64, description="dimension of z")
    mapping_layers: Count = Field(2, description="hidden layers of the mapping network")
    mapping_width: Count = Field(128, description="units a hidden mapping layer")
    scene_side: Positive = Field(
        0.24, description="side of the cube that is scaled to [-1, 1], camera radii"
    )
    logit_scale: Positive = Field(10.0, description="factor on the occupancy head's output")
    sphere_radius: NonNegative = Field(
        0.085, description="radius of the sphere the field starts as, 0 for none"
    )
    sphere_stretch: tuple[Positive, Positive, Positive] = Field(
        (1.0, 1.0, 1.0), description="semi-axes of that sphere (right, up, forward) over its radius"
    )
    sphere_sharpness: NonNegative = Field(
        60.0, description="slope of the logit across that sphere, per camera radius"
    )
