"""What this room is asked to do: options of verbs, and their help."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gof.run.target import Target

INPUTS = ("data", "landmarks", "fits", "pool", "statistics", "head_model")  # of a regressor


@dataclass(frozen=True, slots=True, kw_only=True)
class RegressorJob:
    """`gof regressor`."""

    name: Literal["teacher", "judge"]
    """which of `faces.regressors`"""
    data: Path
    """manifest.json of the data set"""
    landmarks: Path
    """landmarks.json of `gof landmarks`"""
    fits: Path
    """fits.json of `gof fits`"""
    pool: Path
    """manifest.json of `gof pool`"""
    statistics: Path
    """statistics.npz of `gof fits`"""
    head_model: Path
    """head_model.npz of `gof head-model`"""
    out: Target
    """JSON to write, or a folder for regressor.json; regressor.yaml and its weights appear beside
    it"""
