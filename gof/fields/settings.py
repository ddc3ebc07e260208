"""What every kind of field has settings for, and the shape a field starts as."""

from __future__ import annotations

from pydantic import Field

from gof.config.section import Depth, NonNegative, Positive, Section, Width


class FieldSettings(Section):
    """A kind of field; `name` says which. Kinds add their own settings."""

    name: str
    scene_side: Positive = Field(
        0.24, description="side of the cube that is scaled to [-1, 1], camera radii"
    )
    view_dependent: bool = Field(
        True,
        description="whether colours change with the direction they are seen from, as in the"
        " papers; without, shape alone can make views differ",
    )


class Mapping(Section):
    """The mapping network: from a latent to the style that a field is bound with."""

    latent: Width = Field(64, description="dimension of z")
    layers: Depth = Field(2, description="hidden layers")
    width: Width = Field(128, description="units a hidden layer")


class StartShape(Section):
    """An ellipsoid that is added to the logits of any field, so that training starts from it: it
    decides that shapes turn outward."""

    radius: NonNegative = Field(0.085, description="of its sphere, camera radii; 0 for none")
    stretch: tuple[Positive, Positive, Positive] = Field(
        (1.0, 1.0, 1.0), description="semi-axes (right, up, forward) over the radius"
    )
    sharpness: NonNegative = Field(
        60.0, description="slope of the logit across its surface, per camera radius"
    )
    falloff: NonNegative = Field(
        0.0,
        description="beyond its surface the logit falls by this times the squared distance more,"
        " per squared camera radius: what no image asks for stays empty",
    )
