"""What this room is asked to do: options of verbs, and their help."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainJob:
    """`gof train`."""

    model: str
    """a name under `models`"""
    stage: int = 0
    """number of the stage"""
    seed: int = 0
    """training seed"""
    data: Path
    """manifest.json of the data set"""
    previous: Path | None = None
    """state.safetensors of the stage before"""
    pool: Path | None = None
    """manifest of `gof pool`, for a conditional model"""
    statistics: Path | None = None
    """statistics.npz of `gof fits`, likewise"""
    regressor: Path | None = None
    """regressor.yaml of the teacher, likewise"""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """what it runs on"""
    processes: int = 1
    """that train together"""
    out: Path
    """folder to write"""
