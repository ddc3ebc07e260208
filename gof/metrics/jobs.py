"""What this room is asked to do: options of verbs, and their help."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gof.metrics.registry import FILES
from gof.run.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewsJob:
    """Whose views: a generator's, or those of one before training, in place of a data set's."""

    generator: Path | None = None
    """generator.yaml of a trained stage, or heads-gof, heads-pigan, heads-cgof, which come along"""
    reference: bool = False
    """views before training"""
    data: Path | None = None
    """manifest.json of the data set whose camera and background they have, with --reference"""
    untrained: Path | None = None
    """generator.yaml to start afresh from: else the configured network"""
    out: Target
    """manifest.json to write, or a folder for it; the views go beside it"""

    def inputs(self) -> dict[str, Path]:
        """Files the result depends on."""
        files = {"generator": self.generator, "data": self.data, "untrained": self.untrained}
        return {name: path for name, path in files.items() if path is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateJob:
    """What to measure: a generator or, for metrics that look at images, its views."""

    metric: str
    """what to measure: a name under `metrics` in the configuration"""
    data: Path
    """manifest.json of the data set"""
    generator: Path | None = None
    """generator.yaml of a trained stage, or heads-gof, heads-pigan, heads-cgof, which come along"""
    views: Path | None = None
    """manifest of `gof views`, for metrics that look at images"""
    reference: bool = False
    """known answers instead; with --views, known answers too"""
    untrained: Path | None = None
    """generator.yaml to start afresh from, for references: else the configured network"""
    features: Path | None = None
    """JSON of `gof download --asset features`, for distances of features"""
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

    def files(self) -> dict[str, Path]:
        """Further inputs that are given, by the names in FILES."""
        given = {name: path for name, path in self._paths().items() if name in FILES}
        return {name: path for name, path in given.items() if path is not None}

    def inputs(self) -> dict[str, Path]:
        """Files the result depends on."""
        return {name: path for name, path in self._paths().items() if path is not None}

    def _paths(self) -> dict[str, Path | None]:
        return {
            "data": self.data,
            "generator": self.generator,
            "views": self.views,
            "untrained": self.untrained,
            "features": self.features,
            "head_model": self.head_model,
            "statistics": self.statistics,
            "judge": self.judge,
            "floor": self.floor,
        }
