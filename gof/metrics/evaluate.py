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
from gof.data.dataset import Manifest, load_manifest
from gof.faces.meshes import Meshes
from gof.faces.regressor import load_regressor
from gof.io import InputError, say
from gof.job import job
from gof.metrics.bench import Bench, untrained
from gof.metrics.control_protocols import (
    ControlBench,
    measure_disentanglement,
    measure_landmarks,
    measure_shape,
)
from gof.metrics.portraits import Obedient, RandomPairing, Renders, Source
from gof.metrics.protocols import measure_depth, measure_frechet, measure_surface

MEASURES: dict[str, Callable[[Bench], dict[str, Any]]] = {
    "frechet": measure_frechet,
    "surface": measure_surface,
    "depth": measure_depth,
}
CONTROL: dict[str, Callable[[ControlBench], dict[str, Any]]] = {
    "disentanglement": measure_disentanglement,
    "shape": measure_shape,
    "landmarks": measure_landmarks,
}


@dataclass(frozen=True, slots=True)
class FaceSources:
    """What metrics of control need: the head model, the statistics of its coefficients, the judge
    (regressor.yaml), and, for the references, an unconditional generator as the floor."""

    head_model: Path | None = None
    statistics: Path | None = None
    judge: Path | None = None
    floor: Path | None = None


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
    faces: FaceSources = FaceSources()

    def inputs(self) -> dict[str, Path]:
        """Files the result depends on."""
        files = {
            "data": self.data,
            "generator": self.generator,
            "untrained": self.untrained,
            "features": self.features,
            "head_model": self.faces.head_model,
            "statistics": self.faces.statistics,
            "judge": self.faces.judge,
            "floor": self.faces.floor,
        }
        return {name: path for name, path in files.items() if path is not None}


def run_evaluate(config: Config, wanted: EvaluateJob) -> None:
    """Measure and write the record `wanted.out` with `rows`. Raises InputError for what cannot be
    used."""
    if wanted.metric not in MEASURES | CONTROL:
        known = ", ".join(MEASURES | CONTROL)
        raise InputError(f"--metric: no metric named {wanted.metric!r}; known: {known}")
    with job(wanted.out, "evaluate", config, wanted.inputs()) as running:
        manifest = load_manifest(wanted.data)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        if wanted.metric in CONTROL:
            running.numbers = CONTROL[wanted.metric](
                _control_bench(config, wanted, manifest, device)
            )
        else:
            running.numbers = MEASURES[wanted.metric](_bench(config, wanted, manifest, device))
        for one in running.numbers["rows"]:
            value, spread = one["value"], one["spread"]
            say(f"{one['model']}: {one['metric']} {value:.4g} +- {spread:.2g} (n {one['n']})")


def _bench(config: Config, wanted: EvaluateJob, manifest: Manifest, device: str) -> Bench:
    if wanted.generator is not None:
        model = generators.load(wanted.generator, device)
        models = {str(model.info["model"]): model}
    else:
        models = {"untrained": untrained(config, manifest, wanted.untrained, device)}
    references = wanted.generator is None
    return Bench(config.metrics, manifest, models, references, wanted.features, device)


def _control_bench(
    config: Config, wanted: EvaluateJob, manifest: Manifest, device: str
) -> ControlBench:
    files = wanted.faces
    if files.head_model is None or files.statistics is None:
        raise InputError(f"--head-model, --statistics: needed for the metric {wanted.metric}")
    pair = (files.head_model, files.statistics)
    sources: list[Source] = []
    if wanted.generator is not None:
        model = generators.load(wanted.generator, device)
        layout = generators.layout_of(model, wanted.generator)
        meshes = Meshes.read(pair, layout, manifest.camera, manifest.background)
        name, psi = str(model.info["model"]), getattr(config.metrics, wanted.metric).truncation
        sources = [Obedient(name, model), Obedient(f"{name}_truncated", model, psi)]
    else:
        meshes = Meshes.read(pair, None, manifest.camera, manifest.background)
        if files.floor is not None:
            sources.append(RandomPairing(generators.load(files.floor, device)))
        sources.append(Renders(meshes))
    judge = None if files.judge is None else load_regressor(files.judge)
    return ControlBench(config.metrics, manifest, meshes, tuple(sources), judge)
