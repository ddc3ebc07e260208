"""What a conditional model adds to training: latents that are asked for something, a guide for
their samples, and losses that hold them to it. `gof.conditioning` has the one of cGOF."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from gof.data.manifest import Manifest
from gof.experiment.model import Model
from gof.fields.field import Field
from gof.geometry.settings import Camera
from gof.models.generator import Generator
from gof.rendering.interface import Guide
from gof.run.rng import Streams
from gof.training.fakes import Drawn, Fakes
from gof.training.schedule import StepPlan

Terms = dict[str, tuple[float, Tensor]]  # weight and value of each loss


class Conditioner(Protocol):
    """What the steps of a conditional model ask for. A condition is whatever its `draw` put into
    `Drawn.condition`."""

    @property
    def blocks(self) -> dict[str, int]:
        """Sizes of the blocks of the latent, by name, in their order."""

    @property
    def ahead(self) -> AbstractContextManager[object]:
        """What reads ahead while a loop runs."""

    def announce(self, rows: list[int], who: str, device: torch.device) -> None:
        """Say that these samples come next."""

    def draw(self, rows: list[int], who: str, streams: Streams) -> Drawn:
        """Latents, poses and conditions of the samples `rows`; `who` tells the draws of the updates
        apart."""

    def guide(self, condition: Any, plan: StepPlan) -> Guide | None:
        """Where the samples of a step's images lie; None where the field alone says so."""

    def terms(self, generator: Generator, fakes: Fakes, plan: StepPlan, camera: Camera) -> Terms:
        """Losses of given fakes, those that have a weight at this step."""

    def warm_terms(self, field: Field, drawn: Drawn, plan: StepPlan, camera: Camera) -> Terms:
        """Losses of a field for which no image is rendered (stages whose objective is
        geometric)."""


class Loader(Protocol):
    """Reads the conditioner of a stage."""

    @property
    def files(self) -> dict[str, Path]:
        """What it reads, by the names under which a record lists them."""

    def __call__(
        self, model: Model, stage: int, seed: int, seen: Manifest, device: torch.device
    ) -> Conditioner:
        """The conditioner of stage number `stage` beside the data set `seen`. Raises InputError for
        files that do not fit."""
