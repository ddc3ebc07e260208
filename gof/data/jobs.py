"""What this room is asked to do: options of verbs, and their help."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gof.run.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadJob:
    """`gof download`."""

    asset: str | None = None
    """which file; without it, all are listed"""
    from_: Path | None = None
    """the file, where you have it already: it is checked, and put into the cache"""
    out: Target | None = None
    """JSON to write, or a folder for ASSET.json: where the file lies, its hash, source and
    licence"""
