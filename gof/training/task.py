"""What the steps of a stage share, and how they make images."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from gof.experiment.model import Model
from gof.geometry.cameras import camera_rays, sample_poses
from gof.geometry.settings import Camera
from gof.models.settings import Networks
from gof.rendering.interface import RenderSettings
from gof.rendering.render import render
from gof.run import rng
from gof.training.conditioner import Conditioner
from gof.training.distributed import World
from gof.training.fakes import Drawn, Fakes
from gof.training.schedule import StepPlan
from gof.training.settings import Training
from gof.training.state import TrainState


@dataclass(frozen=True, slots=True)
class Task:
    """What all steps of a stage share. networks: the generator's, whose latent a conditioner sizes;
    camera and background (in [-1, 1]) of the data set; conditioner of a conditional model."""

    model: Model
    networks: Networks
    camera: Camera
    background: tuple[float, float, float]
    seed: int
    world: World
    conditioner: Conditioner | None = None

    @property
    def training(self) -> Training:
        """Settings of optimisers and losses."""
        return self.model.training

    def rendering(self, half_width: float, density_noise: float = 0.0) -> RenderSettings:
        """How rays are rendered while the interval has this half-width, and densities this
        noise."""
        place, model = (self.camera, self.background), self.model
        settings = RenderSettings.of(model.integrator, model.sampling, half_width, place)
        return replace(settings, density_noise=density_noise)

    def autocast(self) -> torch.autocast:
        """Mixed precision where the configuration asks for it; the field itself stays in
        float32."""
        enabled = self.training.precision == "bfloat16"
        return torch.autocast(self.world.device.type, torch.bfloat16, enabled=enabled)

    def rows(self, plan: StepPlan) -> list[list[int]]:
        """Global sample numbers of this process's micro-batches at this step."""
        stage = plan.stage
        first = plan.step * stage.batch
        micro = self.world.micro_batches(stage.batch, stage.micro_batch)
        return [[first + i for i in rows] for rows in micro]


def draw_samples(task: Task, rows: list[int], who: str) -> Drawn:
    """What the samples `rows` are made from; `who` tells the draws of the updates apart."""
    streams = rng.streams(task.seed, who, rows, task.world.device)
    if task.conditioner is not None:
        return task.conditioner.draw(rows, who, streams)
    latents = streams.normal(task.networks.mapping.latent)
    return Drawn(latents, sample_poses(task.camera, streams), streams)


def make_fakes(state: TrainState, task: Task, plan: StepPlan, rows: list[int], who: str) -> Fakes:
    """Images for the samples `rows`."""
    drawn = draw_samples(task, rows, who)
    field = state.generator.bind(state.generator.style(drawn.latents))
    r = plan.stage.resolution
    rays = camera_rays(drawn.poses, r, task.camera.fov_deg)
    settings = task.rendering(plan.half_width, plan.density_noise)
    guide = task.conditioner.guide(drawn.condition, plan) if task.conditioner is not None else None
    out = render(field, rays, settings, drawn.streams, guide)
    images = out.rgb.mT.unflatten(-1, (r, r))
    return Fakes(images, drawn, field, rays, settings, out)
