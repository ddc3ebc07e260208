"""A generator small enough for tests of metrics."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from gof.experiment.model import Model
from gof.fields.field import Field
from gof.geometry.settings import Camera
from gof.models import pretrained as generators
from gof.models.generator import Generator
from gof.models.pretrained import Pretrained
from gof.rendering.settings import Sampling
from gof.training.settings import Stage
from tests.unit.small_networks import networks

PARTS = networks(layers=2, width=8, latent=4, mapping={"layers": 1, "width": 8})


def model(integrator: str) -> Model:
    sampling = Sampling(coarse=8, surface=4) if integrator == "occupancy" else None
    sampling = sampling or Sampling(coarse=8, surface=0, fine=4)
    stages = (Stage(resolution=8, steps=1),)
    return Model(integrator=integrator, sampling=sampling, stages=stages)


def configured(**changes: Any) -> dict[str, Any]:
    """The section `models` of a configuration with this network; changes: of its settings."""
    own = PARTS.model_dump() | {"integrator": "occupancy", "training": {"truncation_latents": 50}}
    return {"mine": own | {"stages": [{"resolution": 8, "steps": 1}]} | changes}


def saved(
    folder: Path,
    integrator: str = "occupancy",
    radius: float = 0.085,
    background: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> Path:
    """An untrained generator's file; with radius 0 there is nothing to see."""
    shape = PARTS.start_shape.model_copy(update={"radius": radius})
    parts = PARTS.model_copy(update={"start_shape": shape})
    generator = Generator(parts)
    generator.reset(3)
    generator.estimate_mean_style(50)
    if radius == 0:
        with torch.no_grad():
            generator.field.occupancy.weight.zero_()
            generator.field.occupancy.bias.fill_(-5.0)
    info = {
        "model": "mine",
        "seed": 3,
        "step": 10,
        "networks": parts.model_dump(mode="json"),
        "camera": Camera().model_dump(mode="json"),
        "trained_as": model(integrator).model_dump(mode="json"),
        "half_width": 0.05,
        "background": list(background),
    }
    generators.save(folder / "generator.yaml", generator, info)
    return folder / "generator.yaml"


@dataclass(frozen=True)
class Scarce:
    """A field on a machine with room for so many points at once."""

    field: Field
    most: int

    def logits(self, points: Tensor) -> Tensor:
        self._fit(points)
        return self.field.logits(points)

    def radiance(self, points: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        self._fit(points)
        return self.field.radiance(points, directions)

    def _fit(self, points: Tensor) -> None:
        if points.shape[0] * points.shape[1] > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")


def make_scarce(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """Give every loaded generator room for so many points."""
    bind = Pretrained.bind

    def scarce(self: Pretrained, *given: Any) -> Field:
        return Scarce(bind(self, *given), most)

    monkeypatch.setattr(Pretrained, "bind", scarce)
