"""FiLM-SIREN, the field of GOF and pi-GAN."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gof.config.section import Depth, Positive, Width
from gof.fields.registry import FieldKind, FieldNetwork
from gof.fields.settings import FieldSettings


class FilmSirenSettings(FieldSettings):
    """FiLM-SIREN (method-gof 1; sizes of the paper: 8 layers of 256)."""

    name: Literal["film_siren"] = "film_siren"
    layers: Depth = Field(4, description="FiLM-SIREN layers before the occupancy head")
    width: Width = Field(64, description="units a layer")
    logit_scale: Positive = Field(10.0, description="factor on the occupancy head's output")


def _build(settings: FilmSirenSettings) -> FieldNetwork:
    from gof.fields.film_siren import FilmSiren

    return FilmSiren(settings)


FIELD = FieldKind("film_siren", FilmSirenSettings, _build, "gof.fields.film_siren")
