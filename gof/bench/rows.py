"""The rows of `gof bench`: work, its ceiling, and what it should reach on two cores in float32.

Ceilings count the products of matrices that the work cannot do without, at the best rate that
products of the same width reach here and now. Sines, sums and copies count as nothing.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from gof import generator as generators
from gof import rng
from gof.bench.measure import (
    Row,
    Timing,
    beside,
    colour_operations,
    logit_operations,
    median,
    rate_row,
    time_row,
)
from gof.bench.step import Step
from gof.cameras import Rays, camera_rays, sample_poses
from gof.config import Config, FieldNetwork, Model, Sampling, Stage
from gof.faces.heads import random_heads, run_dataset
from gof.faces.morphable import MorphableModel
from gof.faces.raster import rasterise
from gof.fields.film_siren import BoundFilmSiren
from gof.generator import Generator
from gof.io import InputError
from gof.losses.surface import normal_smoothness
from gof.meshing import extract
from gof.rendering.render import RenderSettings, render, render_surface
from gof.rendering.surface import normals
from gof.report.readme import complete_run
from gof.sparse_grid import Grid

LARGE = FieldNetwork(layers=8, width=256)
SMALL = FieldNetwork(layers=4, width=64)
# The preset of the paper for BFM, at the end of training (method-gof 3.1).
BFM = Model(
    integrator="occupancy",
    sampling=Sampling(coarse=9, secant=4, surface=12, fine=3),
    stages=(Stage(resolution=64, steps=1, batch=4, micro_batch=4),),
)
HALF_WIDTH = 0.02  # of the interval, camera radii
HEADS = 1000


@dataclass(frozen=True, slots=True)
class Place:
    """Where rows find what they measure: the configuration, and the folders of a default run and of
    a smoke run."""

    config: Config
    results: Path
    smoke: Path

    @property
    def device(self) -> torch.device:
        """A GPU where there is one."""
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")

    def points(self, count: int) -> Tensor:
        """Random points of the scene, [1, count, 3]."""
        draw = torch.Generator().manual_seed(0)
        return ((torch.rand(1, count, 3, generator=draw) - 0.5) * 0.24).to(self.device)

    def field(self, network: FieldNetwork) -> BoundFilmSiren:
        """A head-sized body with small bumps, as a network of this size; its weights may be
        differentiated."""
        shape = {"logit_scale": 1.0, "sphere_radius": 0.075, "sphere_stretch": (1.0, 1.5, 1.0)}
        generator = Generator(network.model_copy(update=shape))
        generator.reset(0)
        generator.to(self.device)
        return generator.bind(generator.style(torch.zeros(1, network.latent, device=self.device)))

    def view(self, resolution: int) -> tuple[Rays, RenderSettings]:
        """Rays of one frontal image, and the settings of the paper's preset."""
        background = (-0.1, 0.1, 0.4)
        settings = RenderSettings.of(BFM, self.config.camera, HALF_WIDTH, background)
        poses = torch.zeros(1, 2, device=self.device)
        return camera_rays(poses, resolution, self.config.camera.fov_deg), settings


def field_large(place: Place) -> list[Row]:
    """Occupancy logits at 2^20 points, 8 layers of 256. Ceiling: every point through every layer
    once."""
    return [_logits(place, "field-large", LARGE, 0.88)]


def field_small(place: Place) -> list[Row]:
    """The same, 4 layers of 64."""
    return [_logits(place, "field-small", SMALL, 0.55)]


@torch.no_grad()
def _logits(place: Place, name: str, network: FieldNetwork, target: float) -> Row:
    field, points = place.field(network), place.points(2**20)
    timing = beside(network.width, lambda: field.logits(points))
    return rate_row(name, points.shape[1] * logit_operations(network), timing, target)


def field_training(place: Place) -> list[Row]:
    """Colour and logit at 2^18 points, forward and backward, 8 layers of 256. Ceiling: three times
    the forward products, though memory that does not grow with the layers costs a fourth."""
    field, points = place.field(LARGE), place.points(2**18)
    directions = torch.nn.functional.normalize(points, dim=-1)
    weights = [part for film in field.films for part in film]

    def work() -> None:
        rgb, logits = field.radiance(points, directions)
        torch.autograd.grad(rgb.sum() + logits.sum(), weights)

    timing = beside(LARGE.width, work)
    operations = 3 * points.shape[1] * colour_operations(LARGE)
    return [rate_row("field-training", operations, timing, 0.55)]


@torch.no_grad()
def image(place: Place) -> list[Row]:
    """One image of 128 px, 8 layers of 256, with the samples of the paper's preset at the end of
    training (9 coarse, 4 secant, 12 surface, 3 importance). Ceiling: the coarse samples of all
    rays, the others of those that hit."""
    field, (rays, settings) = place.field(LARGE), place.view(128)
    hits = int(render(field, rays, settings).hit.sum())
    count, logit, colour = rays.origins.shape[1], logit_operations(LARGE), colour_operations(LARGE)
    full = beside(LARGE.width, lambda: render(field, rays, settings))
    needed = count * settings.coarse * logit + hits * settings.secant * logit
    rows = [_seconds("image", full, needed + hits * 15 * colour, 2.2)]
    quick = beside(LARGE.width, lambda: render_surface(field, rays, settings))
    return [*rows, _seconds("image-surface", quick, needed + hits * colour, 0.6)]


def _seconds(name: str, timing: Timing, operations: float, target: float) -> Row:
    return time_row(name, timing.seconds, "s", operations / timing.rate, target)


@torch.no_grad()
def surface_quality(place: Place) -> list[Row]:
    """How near one colour a ray comes to the full render: PSNR of 8 images of 128 px by the GOF of
    the default run."""
    folders = sorted(place.results.glob("heads/gof/seed0/stage*/generator.yaml"))
    if not folders:
        raise InputError(f"{place.results}: no trained gof: run `snakemake --cores all` first")
    model = generators.load(folders[-1], str(place.device))
    streams = rng.streams(0, "bench poses", range(8), place.device)
    rays = camera_rays(sample_poses(model.camera, streams), 128, model.camera.fov_deg)
    field = model.bind(model.latents(0, 8).to(place.device), 1.0)
    one, _ = render_surface(field, rays, model.settings)
    error = (one - render(field, rays, model.settings).rgb).square().mean((1, 2)) / 4
    psnr = float((-10 * torch.log10(error)).mean())
    return [Row("image-surface-psnr", psnr, "dB", target=35.0, holds=psnr >= 35)]


def training_step(place: Place) -> list[Row]:
    """Discriminator's and generator's update of the paper's preset at 64 px, batch 4, 8 layers of
    256. Ceiling: fakes of both updates as in `image`, and twice more for the generator's gradient;
    the discriminator counts as nothing."""
    step = Step.of(place.config, BFM, LARGE, place.device)
    timing = beside(LARGE.width, step)
    count, hits = 4 * 64**2, step.hits()
    sampling, logit = BFM.sampling, logit_operations(LARGE)
    places = count * sampling.coarse * logit + hits * sampling.secant * logit
    shaded = hits * 15 * colour_operations(LARGE)
    return [_seconds("training-step", timing, 2 * places + 4 * shaded, 8.0)]


def mesh(place: Place) -> list[Row]:
    """A mesh from 256^3 and from 512^3 points, 8 layers of 256. Ceiling: as many points as the mesh
    has vertices; each lies on an edge between two points, most points end two such edges."""
    field = place.field(LARGE)
    rows = []
    for n, target, runs in ((256, 4.0, 5), (512, 16.0, 2)):
        found = extract(field, Grid(n, 0.24), 0.0)
        assert found is not None
        timing = beside(LARGE.width, lambda n=n: extract(field, Grid(n, 0.24), 0.0), runs)  # type: ignore[misc]
        rows.append(
            _seconds(f"mesh-{n}", timing, len(found.vertices) * logit_operations(LARGE), target)
        )
    return rows


def normal(place: Place) -> list[Row]:
    """Normals at 2^16 points, and the gradient of their smoothness at 2^15 pairs, 8 layers of 256.
    Ceiling: three times what the field itself costs there."""
    field, points = place.field(LARGE), place.points(2**16)
    weights = [part for film in field.films[:-1] for part in film]
    half, hit = points[:, ::2], torch.ones(1, 2**15, dtype=torch.bool, device=points.device)
    offset = torch.full_like(half, 1e-3)

    def smoothness() -> None:
        torch.autograd.grad(normal_smoothness(field, half, hit, offset), weights)

    with torch.no_grad():
        own = median(lambda: field.logits(points))
    first, second = median(lambda: normals(field, points)), median(smoothness)
    return [
        time_row("normals", first, "s", 3 * own, None),
        time_row("normal-loss", second, "s", 3 * own, None),
    ]


def data(place: Place) -> list[Row]:
    """1,000 renders of heads at 64 px with depth and normals, from the start of the job to its
    manifest."""
    changes = {"train": HEADS - 2, "validation": 1, "test": 1, "resolutions": (64,)}
    heads = place.config.heads.model_copy(update=changes)
    tracking = place.config.tracking.model_copy(update={"enabled": False})
    config = place.config.model_copy(update={"heads": heads, "tracking": tracking})

    def work() -> None:
        with tempfile.TemporaryDirectory() as folder:
            run_dataset(config, _head_model(place), Path(folder) / "manifest.json")

    return [time_row("data", median(work, runs=2), "s", None, 10.0)]


def _head_model(place: Place) -> Path:
    path = place.results / "heads" / "model" / "head_model.npz"
    if not path.exists():
        raise InputError(f"{path}: no such file: `snakemake --cores all {path}` makes it")
    return path


def raster(place: Place) -> list[Row]:
    """Depth and mask of 16 head meshes at 64 px."""
    model = MorphableModel.load(_head_model(place), place.device)
    drawn = random_heads(model, place.config, "train", range(16))
    vertices, fov = model.vertices(drawn.identity, drawn.expression), place.config.camera.fov_deg
    seconds = median(lambda: rasterise(vertices, model.triangles, drawn.pose, 64, fov), runs=15)
    return [time_row("raster", seconds, "ms", None, 50.0)]


def default_run(place: Place) -> list[Row]:
    """`snakemake --cores all` with all three models, as its own log has it."""
    return [
        time_row("default-run", float(complete_run(place.results)["wall_s"]), "min", None, 15.0)
    ]


def smoke_run(place: Place) -> list[Row]:
    """The same of workflow/configs/smoke.yaml."""
    seconds = float(complete_run(place.smoke)["wall_s"])
    return [time_row("smoke-run", seconds, "min", None, 2.0)]


ROWS: dict[str, Callable[[Place], list[Row]]] = {
    "field-large": field_large,
    "field-small": field_small,
    "field-training": field_training,
    "image": image,
    "image-surface-psnr": surface_quality,
    "training-step": training_step,
    "mesh": mesh,
    "normals": normal,
    "data": data,
    "raster": raster,
    "default-run": default_run,
    "smoke-run": smoke_run,
}
