"""What this room is asked to do: options of verbs, and their help."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gof.run.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderViewsJob:
    """`gof views`."""

    generator: Path | None = None
    """generator.yaml of a trained stage"""
    reference: bool = False
    """views before training instead"""
    untrained: Path | None = None
    """generator.yaml of an untrained generator"""
    out: Target
    """manifest.json to write, or a folder for it; the views go beside it"""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureJob:
    """`gof evaluate`."""

    metric: Literal["frechet", "surface", "depth", "disentanglement", "shape", "landmarks"]
    """what to measure"""
    data: Path
    """manifest.json of the data set"""
    generator: Path | None = None
    """generator.yaml of a trained stage"""
    reference: bool = False
    """known answers instead"""
    untrained: Path | None = None
    """generator.yaml of an untrained generator"""
    views: Path | None = None
    """manifest of `gof views`, for frechet and depth"""
    features: Path | None = None
    """JSON of `gof download --asset features`"""
    head_model: Path | None = None
    """head_model.npz, for metrics of control"""
    statistics: Path | None = None
    """statistics.npz of `gof fits`, likewise"""
    judge: Path | None = None
    """regressor.yaml of the judge, likewise"""
    floor: Path | None = None
    """unconditional generator.yaml, for their references"""
    out: Target
    """JSON to write, or a folder for METRIC.json"""
