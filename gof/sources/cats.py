"""Cat heads (ECCV 2008), cut by their annotation."""

from __future__ import annotations

from gof.data.source import Making, Source
from gof.published.settings import Cats


def _make(making: Making) -> None:
    from gof.published.cats import make

    make(making)


def _assets(settings: Cats) -> tuple[str, ...]:
    return () if settings.folder else ("cats-1", "cats-2")


SOURCE = Source("cats", Cats, ("images",), _make, assets=_assets)
