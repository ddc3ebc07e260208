"""What this room is asked to do: options of verbs, and their help."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gof.run.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadJob:
    """`gof download`."""

    asset: Literal["head", "features"]
    """which asset"""
    out: Target
    """JSON to write, or a folder for ASSET.json: where the file lies, its hash, source and
    licence"""
