"""`gof evaluate`: one metric of one generator, or what the metric gives for known answers; rows for
the tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from gof.data.manifest import Manifest, load_manifest
from gof.experiment.config import Config
from gof.metrics.context import Bench, untrained
from gof.metrics.control_context import ControlFiles, control_bench
from gof.metrics.control_protocols import MEASURES_OF_CONTROL
from gof.metrics.jobs import MeasureJob
from gof.metrics.protocols import measure_depth, measure_frechet, measure_surface
from gof.metrics.settings import VIEWED
from gof.models import pretrained as generators
from gof.run.files import InputError, say
from gof.run.job import job
from gof.run.target import placed

MEASURES: dict[str, Callable[[Bench], dict[str, Any]]] = {
    "frechet": measure_frechet,
    "surface": measure_surface,
    "depth": measure_depth,
}


@dataclass(frozen=True, slots=True)
class EvaluateJob:
    """What to measure. Metrics in VIEWED look at `views`, the others at a generator or, with None,
    at the references (untrained: a generator file to start afresh from). references: with views,
    also what the metric gives for known answers."""

    metric: str
    data: Path
    out: Path
    generator: Path | None = None
    views: Path | None = None
    references: bool = False
    untrained: Path | None = None
    features: Path | None = None
    control: ControlFiles = field(default_factory=ControlFiles)

    def inputs(self) -> dict[str, Path]:
        """Files the result depends on."""
        files = {
            "data": self.data,
            "generator": self.generator,
            "views": self.views,
            "untrained": self.untrained,
            "features": self.features,
            "head_model": self.control.head_model,
            "statistics": self.control.statistics,
            "judge": self.control.judge,
            "floor": self.control.floor,
        }
        return {name: path for name, path in files.items() if path is not None}


def measure(config: Config, wanted: MeasureJob) -> None:
    """`gof evaluate`: one metric, as `run_evaluate`."""
    if not wanted.views and wanted.reference == (wanted.generator is not None):
        raise InputError(
            "gof evaluate: give either --generator FILE or --reference (frechet, depth: --views)"
        )
    measured = EvaluateJob(
        metric=wanted.metric,
        data=wanted.data,
        out=placed(wanted.out, f"{wanted.metric}.json"),
        generator=wanted.generator,
        views=wanted.views,
        references=wanted.reference,
        untrained=wanted.untrained,
        features=wanted.features,
        control=ControlFiles(wanted.head_model, wanted.statistics, wanted.judge, wanted.floor),
    )
    run_evaluate(config, measured)


def run_evaluate(config: Config, wanted: EvaluateJob) -> None:
    """Measure and write the record `wanted.out` with `rows`. Raises InputError for what cannot be
    used."""
    names = (*MEASURES, *MEASURES_OF_CONTROL)
    if wanted.metric not in names:
        known = ", ".join(names)
        raise InputError(f"--metric: no metric named {wanted.metric!r}; known: {known}")
    viewed = wanted.metric in VIEWED
    if viewed and (wanted.views is None or wanted.generator is not None):
        raise InputError(f"{wanted.metric}: measured on --views, a manifest of `gof views`")
    if wanted.views is not None and not viewed:
        raise InputError(f"{wanted.metric}: measured on a generator, not on --views")
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
    metrics, features = config.metrics, wanted.features
    if wanted.views is not None:
        seen = load_manifest(wanted.views)
        return Bench(metrics, manifest, seen.name, None, seen, wanted.references, features, device)
    if wanted.generator is not None:
        model = generators.load(wanted.generator, device)
        name = str(model.info["model"])
    else:
        place = manifest.camera, manifest.background
        model, name = untrained(config, place, wanted.untrained, device), "untrained"
    return Bench(metrics, manifest, name, model, None, wanted.references, features, device)
