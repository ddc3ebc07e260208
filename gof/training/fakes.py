"""What the steps of a stage share, and the images they make."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gof.conditioning.condition import Condition, FaceTask
from gof.experiment.model import Model
from gof.fields.field import Field
from gof.geometry.cameras import Rays, camera_rays, sample_poses
from gof.geometry.settings import Camera
from gof.rendering.interface import RenderOutput, RenderSettings
from gof.rendering.render import render
from gof.run import rng
from gof.run.rng import Streams
from gof.training.distributed import World
from gof.training.schedule import StepPlan
from gof.training.settings import Training
from gof.training.state import TrainState


@dataclass(frozen=True, slots=True)
class Task:
    """What all steps of a stage share. background in [-1, 1]."""

    model: Model
    training: Training
    camera: Camera
    background: tuple[float, float, float]
    seed: int
    world: World
    face: FaceTask | None = None  # of a conditional model

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


@dataclass(frozen=True, slots=True)
class Fakes:
    """Generated images [n, 3, r, r], poses [n, 2] and latents [n, latent], their field and render;
    the condition of a conditional model's; streams that go on with these samples' randomness."""

    images: Tensor
    poses: Tensor
    latents: Tensor
    field: Field
    rays: Rays
    settings: RenderSettings
    out: RenderOutput
    condition: Condition | None
    streams: Streams

    @property
    def conditioned(self) -> Condition:
        """The condition of a conditional model's fakes."""
        assert self.condition is not None
        return self.condition


def draw_latents(
    task: Task, rows: list[int], who: str
) -> tuple[Tensor, Tensor, Condition | None, Streams]:
    """Latents, poses and, for a conditional model, conditions of the samples `rows`; `who` tells
    the draws of the updates apart."""
    streams = rng.streams(task.seed, who, rows, task.world.device)
    if task.face is None:
        latents = streams.normal(task.training.field.latent)
        return latents, sample_poses(task.camera, streams), None, streams
    condition = task.face.pool(rows, who, task.world.device)
    latents = task.face.layout.latent(condition.face, streams.normal(task.face.layout.free))
    return latents, condition.poses, condition, streams


def make_fakes(state: TrainState, task: Task, plan: StepPlan, rows: list[int], who: str) -> Fakes:
    """Images for the samples `rows`."""
    latents, poses, condition, streams = draw_latents(task, rows, who)
    field = state.generator.bind(state.generator.style(latents))
    r = plan.stage.resolution
    rays = camera_rays(poses, r, task.camera.fov_deg)
    settings = RenderSettings.of(task.model, task.camera, plan.half_width, task.background)
    guide = condition.guide if condition is not None and plan.guided else None
    out = render(field, rays, settings, streams, guide)
    images = out.rgb.mT.unflatten(-1, (r, r))
    return Fakes(images, poses, latents, field, rays, settings, out, condition, streams)
