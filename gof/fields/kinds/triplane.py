"""Tri-planes, the backbone of EG3D and of cGOF++."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from gof.config.section import Count, Positive, Width
from gof.fields.registry import FieldKind, FieldNetwork
from gof.fields.settings import FieldSettings

LOWEST = 4  # pixels a side that planes grow from


def _doubled(size: int) -> int:
    if size & (size - 1):
        raise ValueError(f"must be a power of two, got {size}")
    return size


class TriplaneSettings(FieldSettings):
    """Three planes of features that a small convolutional network draws from the style, looked up
    bilinearly, their mean read by a small decoder (EG3D section 4.1)."""

    name: Literal["triplane"] = "triplane"
    resolution: Annotated[int, Field(ge=2 * LOWEST, le=512), AfterValidator(_doubled)] = Field(
        32, description="pixels a side of a plane, a power of two"
    )
    features: Count = Field(16, description="channels of a plane")
    channels: Count = Field(64, description="channels of the convolutions")
    style: Width = Field(128, description="length of a style")
    width: Width = Field(64, description="units a layer of the decoder")
    logit_scale: Positive = Field(10.0, description="factor on the occupancy head's output")


def _build(settings: TriplaneSettings) -> FieldNetwork:
    from gof.fields.triplane import Triplane

    return Triplane(settings)


FIELD = FieldKind("triplane", TriplaneSettings, _build, "gof.fields.triplane")
