"""What this room is asked to do: options of verbs, and their help."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal  # noqa: F401 (in the annotations of what TrainJob inherits)

from gof.run.target import Target
from gof.training.jobs import StageJob


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolJob:
    """`gof pool`."""

    data: Path
    """manifest.json of the data set, whose camera and background they have"""
    statistics: Path
    """statistics.npz of `gof fits`"""
    head_model: Path
    """head_model.npz of `gof head-model`"""
    out: Target
    """manifest.json to write, or a folder for it; the renders go beside it"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainJob(StageJob):
    """`gof train`."""

    pool: Path | None = None
    """manifest of `gof pool`, for a conditional model"""
    statistics: Path | None = None
    """statistics.npz of `gof fits`, likewise"""
    regressor: Path | None = None
    """regressor.yaml of the teacher, likewise"""
    processes: int = 1
    """that train together"""
