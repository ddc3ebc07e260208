"""`gof evaluate`: one metric of one generator, or what the metric gives for known answers; rows for
the tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from gof import generator as generators
from gof.config import Config
from gof.data.dataset import Manifest, load_manifest
from gof.io import InputError, say
from gof.job import job
from gof.metrics.bench import Bench, untrained
from gof.metrics.control_bench import ControlFiles, control_bench
from gof.metrics.control_protocols import MEASURES_OF_CONTROL
from gof.metrics.protocols import measure_depth, measure_frechet, measure_surface

MEASURES: dict[str, Callable[[Bench], dict[str, Any]]] = {
    "frechet": measure_frechet,
    "surface": measure_surface,
    "depth": measure_depth,
}


@dataclass(frozen=True, slots=True)
class EvaluateJob:
    """What to measure: a generator, or with None the references (untrained: a generator file to
    start afresh from)."""

    metric: str
    data: Path
    out: Path
    generator: Path | None = None
    untrained: Path | None = None
    features: Path | None = None
    control: ControlFiles = field(default_factory=ControlFiles)

    def inputs(self) -> dict[str, Path]:
        """Files the result depends on."""
        files = {
            "data": self.data,
            "generator": self.generator,
            "untrained": self.untrained,
            "features": self.features,
            "head_model": self.control.head_model,
            "statistics": self.control.statistics,
            "judge": self.control.judge,
            "floor": self.control.floor,
        }
        return {name: path for name, path in files.items() if path is not None}


def run_evaluate(config: Config, wanted: EvaluateJob) -> None:
    """Measure and write the record `wanted.out` with `rows`. Raises InputError for what cannot be
    used."""
    names = (*MEASURES, *MEASURES_OF_CONTROL)
    if wanted.metric not in names:
        known = ", ".join(names)
        raise InputError(f"--metric: no metric named {wanted.metric!r}; known: {known}")
    with job(wanted.out, "evaluate", config, wanted.inputs()) as running:
        manifest = load_manifest(wanted.data)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        running.numbers = _measured(config, wanted, manifest, device)
        for one in running.numbers["rows"]:
            value, spread = one["value"], one["spread"]
            say(f"{one['model']}: {one['metric']} {value:.4g} +- {spread:.2g} (n {one['n']})")


def _measured(
    config: Config, wanted: EvaluateJob, manifest: Manifest, device: str
) -> dict[str, Any]:
    if measure := MEASURES.get(wanted.metric):
        return measure(_bench(config, wanted, manifest, device))
    bench = control_bench(
        config, wanted.metric, wanted.generator, wanted.control, (manifest, device)
    )
    return MEASURES_OF_CONTROL[wanted.metric](bench)


def _bench(config: Config, wanted: EvaluateJob, manifest: Manifest, device: str) -> Bench:
    if wanted.generator is not None:
        model = generators.load(wanted.generator, device)
        models = {str(model.info["model"]): model}
    else:
        models = {"untrained": untrained(config, manifest, wanted.untrained, device)}
    references = wanted.generator is None
    return Bench(config.metrics, manifest, models, references, wanted.features, device)
