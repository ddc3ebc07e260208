"""Networks of any size in one line."""

from __future__ import annotations

from typing import Any

from gof.fields.kinds.film_siren import FilmSirenSettings
from gof.fields.settings import Mapping, StartShape
from gof.models.settings import Networks


def networks(
    *,
    latent: int = 64,
    mapping: dict[str, Any] | None = None,
    start: dict[str, Any] | None = None,
    **field: Any,
) -> Networks:
    """field: settings of the FiLM-SIREN field; latent, mapping: of the mapping network; start: of
    the start shape."""
    return Networks(
        field=FilmSirenSettings(**field),
        mapping=Mapping(latent=latent, **mapping or {}),
        start_shape=StartShape(**start or {}),
    )
