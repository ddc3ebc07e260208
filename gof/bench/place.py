"""What the rows of `gof bench` are measured on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from gof.bench.jobs import BenchJob
from gof.bench.measure import Products
from gof.experiment.config import Config
from gof.experiment.model import Model
from gof.fields.kinds.film_siren import FilmSirenSettings
from gof.fields.settings import StartShape
from gof.fields.start_shape import Started
from gof.geometry.cameras import Rays, camera_rays
from gof.heads.settings import RenderedHeads
from gof.losses.settings import NormalSmoothness
from gof.models import pretrained as generators
from gof.models.generator import Generator
from gof.models.pretrained import Pretrained
from gof.models.settings import Networks
from gof.rendering.interface import RenderSettings
from gof.rendering.settings import Sampling
from gof.run.files import InputError
from gof.training.settings import Stage

LARGE = FilmSirenSettings(layers=8, width=256)
SMALL = FilmSirenSettings(layers=4, width=64)
# Starts as a head-sized body with small bumps, as a trained network's shapes are. Its logits rise
# by 600 a camera radius at the surface; those of the default run's GOF by 1,200, cGOF by 3,500.
SHAPE = StartShape(radius=0.075, stretch=(1.0, 1.5, 1.0), sharpness=600.0)
# The preset of the paper for BFM, at the end of training (GOF supplement, table 2).
BFM = Model(
    integrator="occupancy",
    sampling=Sampling(coarse=9, secant=4, surface=12, fine=3),
    normal=NormalSmoothness(weight=0.01, distance=1e-3),
    stages=(Stage(resolution=64, steps=1, batch=4, micro_batch=4),),
)
HALF_WIDTH = 0.02  # of the interval, camera radii
BACKGROUND = (-0.1, 0.1, 0.4)
SIDE = 0.24  # of the scene's cube, camera radii


def network_of(field: FilmSirenSettings) -> Networks:
    """A generator's parts with a field of this size, from SHAPE on."""
    return Networks(field=field, start_shape=SHAPE)


def _given(option: str, path: Path | None) -> Path:
    if path is None:
        raise InputError(f"{option}: not given; `snakemake --cores all bench` knows its own")
    return path


@dataclass(frozen=True, slots=True)
class Place:
    """Where rows find what they measure: the configuration, the files of a default run, the folder
    of a smoke run, and the device of fields (meshes and rasters are made on the CPU)."""

    config: Config
    given: BenchJob
    smoke: Path
    device: torch.device

    @property
    def head_model(self) -> Path:
        """Raises InputError where none is given."""
        return _given("--head-model", self.given.head_model)

    def trained(self) -> Pretrained:
        """The generator of a default run. Likewise."""
        path = _given("--generator", self.given.generator)
        return generators.load(path, str(self.device))

    @property
    def heads(self) -> RenderedHeads:
        """The settings of the first data set of rendered heads."""
        kinds = self.config.datasets.values()
        return next((own for own in kinds if isinstance(own, RenderedHeads)), RenderedHeads())

    @property
    def cpu(self) -> Place:
        """The same without a GPU."""
        return Place(self.config, self.given, self.smoke, torch.device("cpu"))

    def points(self, count: int) -> Tensor:
        """Random points of the scene, [1, count, 3]."""
        draw = torch.Generator().manual_seed(0)
        return ((torch.rand(1, count, 3, generator=draw) - 0.5) * SIDE).to(self.device)

    def field(self, network: FilmSirenSettings) -> Started:
        """One image's field of a network of this size; its weights may be differentiated."""
        generator = Generator(network_of(network))
        generator.reset(0)
        generator.to(self.device)
        style = generator.style(torch.zeros(1, generator.latent, device=self.device))
        field = generator.bind(style)
        assert isinstance(field, Started)
        return field

    def view(self, resolution: int) -> tuple[Rays, RenderSettings]:
        """Rays of one frontal image, and the settings of the paper's preset."""
        seen_from = (self.config.camera, BACKGROUND)
        settings = RenderSettings.of(BFM.integrator, BFM.sampling, HALF_WIDTH, seen_from)
        poses = torch.zeros(1, 2, device=self.device)
        return camera_rays(poses, resolution, self.config.camera.fov_deg), settings

    def products(self, network: FilmSirenSettings) -> Products:
        """Matrix products of the network's hidden layers."""
        return Products(network.width, network.width, self.device)
