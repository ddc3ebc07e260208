"""CelebA: 202,599 aligned faces."""

from __future__ import annotations

from gof.data.source import Making, Source
from gof.published.settings import CelebA


def _make(making: Making) -> None:
    from gof.published.celeba import make

    make(making)


def _assets(settings: CelebA) -> tuple[str, ...]:
    return () if settings.folder else ("celeba", "celeba-partition", "celeba-landmarks")


SOURCE = Source("celeba", CelebA, ("images",), _make, assets=_assets)
