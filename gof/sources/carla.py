"""Cars of CARLA (GRAF)."""

from __future__ import annotations

from gof.data.source import Making, Source
from gof.published.settings import Carla


def _make(making: Making) -> None:
    from gof.published.carla import make

    make(making)


def _assets(settings: Carla) -> tuple[str, ...]:
    needed = ("carla", "carla-poses") if settings.poses else ("carla",)
    return () if settings.folder else needed


SOURCE = Source("carla", Carla, ("images",), _make, assets=_assets)
