"""What this room is asked to do: options of verbs, and their help."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gof.run.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolJob:
    """`gof pool`."""

    statistics: Path
    """statistics.npz of `gof fits`"""
    head_model: Path
    """head_model.npz of `gof head-model`"""
    out: Target
    """manifest.json to write, or a folder for it; the renders go beside it"""
