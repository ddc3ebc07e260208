"""What measurements of control are given: who is measured, the meshes they were asked for, the
judge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gof.geometry.cameras import sample_poses
from gof.metrics.context import Row, row
from gof.metrics.portraits import Conditional, RandomPairing, Renders, Subject
from gof.models import pretrained as generators
from gof.morphable.meshes import Meshes
from gof.readers.files import load_regressor
from gof.readers.interface import Reading
from gof.run.files import InputError
from gof.run.memory import in_parts
from gof.run.rng import streams

if TYPE_CHECKING:
    from gof.geometry.settings import Camera
    from gof.metrics.context import Context

# A factor, the blocks of the latent that it consists of, and the block the judge reads it in.
BLOCKS_OF = {
    "shape": ("identity", "free_geometry"),
    "expression": ("expression",),
    "pose": (),
    "light": ("light",),
}
READ_IN = {"shape": "identity", "expression": "expression", "light": "light"}
READ_AT_ONCE = 64  # images
Judge = Callable[[Tensor], Reading]  # a regressor that had no part in training
Found = dict[tuple[str, str], list[float]]  # (source, metric): a value for each evaluation seed


@dataclass(frozen=True)
class ControlContext:
    """What measurements of control are given; a judge only where images are read."""

    context: Context
    meshes: Meshes
    sources: tuple[Subject, ...]
    judge: Judge | None

    @property
    def seeds(self) -> tuple[int, ...]:
        """Evaluation seeds."""
        return self.context.seeds

    @property
    def camera(self) -> Camera:
        """That of the data set."""
        return self.context.manifest.camera

    def poses(self, seed: int, purpose: str, count: int) -> Tensor:
        """[count, 2] from the data set's pose prior."""
        return sample_poses(self.camera, streams(seed, f"control, {purpose}", range(count)))

    @torch.no_grad()
    def read(self, images: Tensor) -> Reading:
        """What the judge sees in images [n, 3, r, r]. Raises InputError without a judge."""
        if self.judge is None:
            raise InputError("--judge: needed for this metric: regressor.yaml of the judge")
        judge = self.judge

        def read(part: Tensor) -> tuple[Tensor, ...]:
            seen = judge(part)
            return seen.z, seen.pose, seen.landmarks

        columns = zip(*(in_parts(read, part) for part in images.split(READ_AT_ONCE)), strict=True)
        return Reading(*(torch.cat(column).cpu() for column in columns))

    def seen_of(self, reading: Reading, factor: str) -> Tensor:
        """What is read of a factor, [n, d]."""
        if factor == "pose":
            return reading.pose
        return self.meshes.statistics.split(reading.z)[READ_IN[factor]]

    def rows(self, found: Found, count: int, protocols: dict[str, str]) -> list[Row]:
        """Rows of the tables; protocols of truncated sources say so."""
        psi = {source.name: source.psi for source in self.sources}
        rows = []
        for (name, metric), values in found.items():
            cut = f", psi {psi[name]:g}" if psi[name] != 1 else ""
            rows.append(row(name, metric, values, count, protocols[metric] + cut))
        return rows


def control_context(context: Context, truncation: float) -> ControlContext:
    """For a conditional generator, as it is and truncated; for none the references: floor, where
    there is one, and ceiling. Raises InputError for files that do not fit."""
    manifest, files = context.manifest, context.files
    pair = (files["head_model"], files["statistics"])
    sources: list[Subject] = []
    if context.generator is not None:
        model, name = context.model, context.name
        layout = generators.layout_of(model, context.generator)
        meshes = Meshes.read(pair, layout, manifest.camera, manifest.background)
        sources = [Conditional(name, model), Conditional(f"{name}_truncated", model, truncation)]
    else:
        meshes = Meshes.read(pair, None, manifest.camera, manifest.background)
        if (floor := files.get("floor")) is not None:
            sources.append(RandomPairing(generators.load(floor, context.device)))
        sources.append(Renders(meshes))
    judge = load_regressor(files["judge"]) if "judge" in files else None
    return ControlContext(context, meshes, tuple(sources), judge)
