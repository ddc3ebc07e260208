"""What measurements of control need: who is measured, the meshes they were asked for, the judge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from gof.data.manifest import Manifest
from gof.experiment.config import Config
from gof.geometry.cameras import sample_poses
from gof.metrics.portraits import Obedient, RandomPairing, Renders, Source
from gof.metrics.settings import Metrics
from gof.models import pretrained as generators
from gof.morphable.meshes import Meshes
from gof.readers.files import load_regressor
from gof.readers.interface import Reading
from gof.run.files import InputError
from gof.run.rng import streams

# A factor, the blocks of the latent that it consists of, and the block the judge reads it in.
BLOCKS_OF = {
    "shape": ("identity", "free_geometry"),
    "expression": ("expression",),
    "pose": (),
    "light": ("light",),
}
READ_IN = {"shape": "identity", "expression": "expression", "light": "light"}
READ_AT_ONCE = 64  # images
Data = tuple[Manifest, str]  # and the device of the generators
Judge = Callable[[Tensor], Reading]  # a regressor that had no part in training


@dataclass(frozen=True, slots=True)
class ControlFiles:
    """What metrics of control need: the head model, the statistics of its coefficients, the judge
    (regressor.yaml), and, for the references, an unconditional generator as the floor."""

    head_model: Path | None = None
    statistics: Path | None = None
    judge: Path | None = None
    floor: Path | None = None


@dataclass(frozen=True, slots=True)
class ControlBench:
    """What measurements of control need; a judge only where images are read."""

    metrics: Metrics
    manifest: Manifest
    meshes: Meshes
    sources: tuple[Source, ...]
    judge: Judge | None

    def poses(self, seed: int, purpose: str, count: int) -> Tensor:
        """[count, 2] from the data set's pose prior."""
        return sample_poses(
            self.manifest.camera, streams(seed, f"control, {purpose}", range(count))
        )

    @torch.no_grad()
    def read(self, images: Tensor) -> Reading:
        """What the judge sees in images [n, 3, r, r]. Raises InputError without a judge."""
        if self.judge is None:
            raise InputError("--judge: needed for this metric: regressor.yaml of the judge")
        seen = [self.judge(part) for part in images.split(READ_AT_ONCE)]
        columns = zip(*((one.z, one.pose, one.landmarks) for one in seen), strict=True)
        return Reading(*(torch.cat(column).cpu() for column in columns))


def seen_of(reading: Reading, factor: str, meshes: Meshes) -> Tensor:
    """What is read of a factor, [n, d]."""
    if factor == "pose":
        return reading.pose
    return meshes.statistics.split(reading.z)[READ_IN[factor]]


def control_bench(
    config: Config, metric: str, generator: Path | None, files: ControlFiles, data: Data
) -> ControlBench:
    """For a conditional generator, as it is and truncated; for None the references: floor, where
    there is one, and ceiling. Raises InputError for files that are missing or do not fit."""
    manifest, device = data
    if files.head_model is None or files.statistics is None:
        raise InputError(f"--head-model, --statistics: needed for the metric {metric}")
    pair = (files.head_model, files.statistics)
    sources: list[Source] = []
    if generator is not None:
        model = generators.load(generator, device)
        layout = generators.layout_of(model, generator)
        meshes = Meshes.read(pair, layout, manifest.camera, manifest.background)
        name, psi = str(model.info["model"]), getattr(config.metrics, metric).truncation
        sources = [Obedient(name, model), Obedient(f"{name}_truncated", model, psi)]
    else:
        meshes = Meshes.read(pair, None, manifest.camera, manifest.background)
        if files.floor is not None:
            sources.append(RandomPairing(generators.load(files.floor, device)))
        sources.append(Renders(meshes))
    judge = None if files.judge is None else load_regressor(files.judge)
    return ControlBench(config.metrics, manifest, meshes, tuple(sources), judge)
