"""FFHQ, by your own copy of its images."""

from __future__ import annotations

from pathlib import Path

from gof.data.source import Making, Source
from gof.published.settings import Ffhq


def _make(making: Making) -> None:
    from gof.published.ffhq import make

    make(making)


def _assets(settings: Ffhq) -> tuple[str, ...]:
    listed = Path(settings.folder) / "ffhq-dataset-v2.json"
    return () if listed.is_file() else ("ffhq",)


SOURCE = Source("ffhq", Ffhq, ("images",), _make, assets=_assets)
