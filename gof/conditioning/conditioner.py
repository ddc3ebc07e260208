"""The conditioner of cGOF: heads of a 3DMM, and the teacher that reads them back."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from gof.conditioning import terms
from gof.conditioning.condition import Condition, Pool
from gof.conditioning.schedule import is_guided, term_weights
from gof.conditioning.settings import Conditions
from gof.data.manifest import Manifest, load_manifest
from gof.experiment.model import Model
from gof.fields.field import Field
from gof.geometry.settings import Camera
from gof.models.generator import Generator
from gof.morphable.coefficients import Layout, Statistics
from gof.readers.files import FaceRegressor, load_regressor
from gof.rendering.interface import Guide
from gof.run.files import InputError
from gof.run.rng import Streams
from gof.training.conditioner import Terms
from gof.training.fakes import Drawn, Fakes
from gof.training.schedule import StepPlan


@dataclass(frozen=True, slots=True)
class FaceConditioner:
    """Asks for heads of the pool, and holds the fakes to them (a `gof.training` Conditioner)."""

    conditions: Conditions
    layout: Layout
    pool: Pool
    regressor: FaceRegressor

    @property
    def blocks(self) -> dict[str, int]:
        """Sizes of the blocks of the latent."""
        return self.layout.sizes

    @property
    def ahead(self) -> AbstractContextManager[object]:
        """What reads conditions ahead."""
        return self.pool.ahead

    def announce(self, rows: list[int], who: str, device: torch.device) -> None:
        """Say that these samples come next."""
        self.pool.announce(rows, who, device)

    def draw(self, rows: list[int], who: str, streams: Streams) -> Drawn:
        """Latents that hold the coefficients of heads of the pool, seen as these are."""
        condition = self.pool(rows, who, streams.device)
        latents = self.layout.latent(condition.face, streams.normal(self.layout.free))
        return Drawn(latents, condition.poses, streams, condition)

    def guide(self, condition: Condition, plan: StepPlan) -> Guide | None:
        """The mesh, from the stage on that samples around it."""
        return condition.guide if is_guided(self.conditions, plan.number) else None

    def terms(self, generator: Generator, fakes: Fakes, plan: StepPlan, camera: Camera) -> Terms:
        """Weight and value of every loss that has a weight now."""
        weights = term_weights(self.conditions, plan.number, plan.inside)
        wanted, condition = weights.keys(), fakes.drawn.condition
        found: dict[str, Tensor] = {}
        if wanted & {"geometric", "colour"}:
            found |= self._labels(fakes.field, fakes.drawn, camera)
        if wanted & {"distance", "background", "depth_smoothness"}:
            found |= terms.shape_terms(fakes)
        if wanted & {"reconstruction", "landmarks_2d", "landmarks_3d"}:
            reading, sizes = self.regressor(fakes.images), self.layout.sizes
            found |= terms.reading_terms(reading, sizes, fakes, camera.fov_deg)
        if "warping" in wanted:
            some = condition[: self.conditions.warping_images]
            guide = some.other_guide if is_guided(self.conditions, plan.number) else None
            found |= terms.warping_terms(self.layout, generator, fakes, some, guide)
        return {name: (weights[name], value) for name, value in found.items() if name in wanted}

    def warm_terms(self, field: Field, drawn: Drawn, plan: StepPlan, camera: Camera) -> Terms:
        """Labels of the mesh, of which nothing is rendered."""
        weights = term_weights(self.conditions, plan.number, plan.inside)
        found = self._labels(field, drawn, camera)
        return {name: (weights.get(name, 0.0), value) for name, value in found.items()}

    def _labels(self, field: Field, drawn: Drawn, camera: Camera) -> dict[str, Tensor]:
        return terms.label_terms(self.conditions, field, drawn.condition, camera, drawn.streams)


@dataclass(frozen=True, slots=True)
class FaceFiles:
    """What cGOF's conditioner is read from (a `gof.training` Loader): the manifest of the pool of
    conditions, the statistics of coefficients they were drawn from, and the regressor that
    teaches."""

    pool: Path
    statistics: Path
    regressor: Path

    @property
    def files(self) -> dict[str, Path]:
        """The files by name."""
        return asdict(self)

    def __call__(
        self, model: Model, stage: int, seed: int, seen: Manifest, device: torch.device
    ) -> FaceConditioner:
        """Read the files for a stage. Raises InputError for what does not fit."""
        conditions, resolution = model.conditions, model.stages[stage].resolution
        assert conditions is not None
        sizes = Statistics.load(self.statistics).sizes
        drawn = load_manifest(self.pool)
        seen.must_be_seen_by(self.pool, drawn.camera, drawn.background)
        pool = Pool(drawn, resolution, seed)
        if pool.size != sum(sizes.values()):
            raise InputError(
                f"{self.pool}: {pool.size} coefficients a head, {self.statistics} has"
                f" {sum(sizes.values())}: draw the pool again"
            )
        free = {"free_geometry": conditions.free_geometry, "free_texture": conditions.free_texture}
        regressor = load_regressor(self.regressor).to(device)
        return FaceConditioner(conditions, Layout(sizes | free), pool, regressor)
