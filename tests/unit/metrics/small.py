"""A generator small enough for tests of metrics."""

from pathlib import Path

import torch

from gof.experiment.model import Model
from gof.fields.settings import FieldNetwork
from gof.geometry.settings import Camera
from gof.models import pretrained as generators
from gof.models.generator import Generator
from gof.rendering.settings import Sampling
from gof.training.settings import Stage

FIELD = FieldNetwork(layers=2, width=8, latent=4, mapping_layers=1, mapping_width=8)


def model(integrator: str) -> Model:
    sampling = Sampling(coarse=8, surface=4) if integrator == "occupancy" else None
    sampling = sampling or Sampling(coarse=8, surface=0, fine=4)
    stages = (Stage(resolution=8, steps=1),)
    return Model(integrator=integrator, sampling=sampling, stages=stages)


def saved(
    folder: Path,
    integrator: str = "occupancy",
    radius: float = 0.085,
    background: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> Path:
    """An untrained generator's file; with radius 0 there is nothing to see."""
    field = FIELD.model_copy(update={"sphere_radius": radius})
    generator = Generator(field)
    generator.reset(3)
    generator.estimate_mean_style(50)
    if radius == 0:
        with torch.no_grad():
            generator.siren.occupancy.weight.zero_()
            generator.siren.occupancy.bias.fill_(-5.0)
    info = {
        "model": "mine",
        "seed": 3,
        "step": 10,
        "field": field.model_dump(mode="json"),
        "camera": Camera().model_dump(mode="json"),
        "trained_as": model(integrator).model_dump(mode="json"),
        "half_width": 0.05,
        "background": list(background),
    }
    generators.save(folder / "generator.yaml", generator, info)
    return folder / "generator.yaml"
