"""`gof evaluate`: one metric of one generator, or what the metric gives for known answers; rows for
the tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from gof import generator as generators
from gof.config import Config
from gof.data.dataset import load_manifest
from gof.io import InputError, say
from gof.job import job
from gof.metrics.bench import Bench, untrained
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

    def inputs(self) -> dict[str, Path]:
        """Files the result depends on."""
        files = {
            "data": self.data,
            "generator": self.generator,
            "untrained": self.untrained,
            "features": self.features,
        }
        return {name: path for name, path in files.items() if path is not None}


def run_evaluate(config: Config, wanted: EvaluateJob) -> None:
    """Measure and write the record `wanted.out` with `rows`. Raises InputError for what cannot be
    used."""
    if wanted.metric not in MEASURES:
        known = ", ".join(MEASURES)
        raise InputError(f"--metric: no metric named {wanted.metric!r}; known: {known}")
    with job(wanted.out, "evaluate", config, wanted.inputs()) as running:
        manifest = load_manifest(wanted.data)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        if wanted.generator is not None:
            model = generators.load(wanted.generator, device)
            models = {str(model.info["model"]): model}
        else:
            models = {"untrained": untrained(config, manifest, wanted.untrained, device)}
        references = wanted.generator is None
        bench = Bench(config.metrics, manifest, models, references, wanted.features, device)
        running.numbers = MEASURES[wanted.metric](bench)
        for one in running.numbers["rows"]:
            value, spread = one["value"], one["spread"]
            say(f"{one['model']}: {one['metric']} {value:.4g} +- {spread:.2g} (n {one['n']})")
