"""Renders of BFM-2009 heads with depth (unsup3d)."""

from __future__ import annotations

from gof.data.source import Making, Source
from gof.published.settings import Synface


def _make(making: Making) -> None:
    from gof.published.synface import make

    make(making)


def _assets(settings: Synface) -> tuple[str, ...]:
    return () if settings.folder else ("synface",)


SOURCE = Source("synface", Synface, ("images", "depth"), _make, assets=_assets)
