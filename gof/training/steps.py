"""The two updates of adversarial training, as functions of state, batch and plan."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from gof import rng
from gof.cameras import camera_rays, sample_poses
from gof.config import Camera, Model, NormalSmoothness, Training
from gof.fields import Field
from gof.losses import adversarial
from gof.losses.surface import normal_smoothness, opacity_prior
from gof.rendering.render import RenderOutput, RenderSettings, render
from gof.rng import Streams
from gof.training.distributed import World
from gof.training.schedule import StepPlan
from gof.training.state import TrainState


class NonFinite(ArithmeticError):
    """A loss or gradient is not a number; the update was not applied."""


@dataclass(frozen=True, slots=True)
class Task:
    """What all steps of a stage share. background in [-1, 1]."""

    model: Model
    training: Training
    camera: Camera
    background: tuple[float, float, float]
    seed: int
    world: World

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
    """Generated images [n, 3, r, r] with poses [n, 2], their render, normal smoothness loss."""

    images: Tensor
    poses: Tensor
    out: RenderOutput
    smoothness: Tensor


def make_fakes(state: TrainState, task: Task, plan: StepPlan, rows: list[int], who: str) -> Fakes:
    """Images for the samples `rows`; `who` tells the draws of the two updates apart."""
    streams = rng.streams(task.seed, who, rows, task.world.device)
    z = streams.normal(task.training.field.latent)
    poses = sample_poses(task.camera, streams)
    field = state.generator.bind(state.generator.style(z))
    r = plan.stage.resolution
    rays = camera_rays(poses, r, task.camera.fov_deg)
    settings = RenderSettings.of(task.model, task.camera, plan.half_width, task.background)
    out = render(field, rays, settings, streams)
    images = out.rgb.mT.unflatten(-1, (r, r))
    smoothness = images.new_zeros(())
    if task.model.normal.weight and torch.is_grad_enabled():
        points = rays.at(out.surface_t[..., None]).squeeze(2)
        smoothness = _smoothness(field, points, out.hit, task.model.normal, streams)
    return Fakes(images, poses, out, smoothness)


def _smoothness(
    field: Field, points: Tensor, hit: Tensor, normal: NormalSmoothness, streams: Streams
) -> Tensor:
    """Normal smoothness over at most `normal.rays` rays of each image, those that hit first."""
    count = min(normal.rays, points.shape[1])
    # Random among the rays that hit; the others follow only where too few do, and do not count.
    chosen = (streams.uniform(points.shape[1]) + ~hit).topk(count, largest=False).indices
    points = points.gather(1, chosen[..., None].expand(-1, -1, 3))
    offset = F.normalize(streams.normal(count, 3), dim=-1) * normal.distance
    return normal_smoothness(field, points, hit.gather(1, chosen), offset)


def discriminator_step(
    state: TrainState, task: Task, plan: StepPlan, reals: list[Tensor]
) -> dict[str, Tensor]:
    """One update of the discriminator. reals: [micro_batch, 3, r, r] for each micro-batch of this
    process.

    Raises NonFinite before any weight changes.
    """
    training, discriminator = task.training, state.discriminator
    rows = task.rows(plan)
    share = plan.stage.micro_batch / plan.stage.batch
    penalise = training.r1_weight > 0 and plan.step % training.r1_every == 0
    discriminator.requires_grad_(True)
    state.optimizer_d.zero_grad(set_to_none=True)
    sums = torch.zeros(3, device=task.world.device)
    for indices, real in zip(rows, reals, strict=True):
        with task.autocast():
            with torch.no_grad():
                fakes = make_fakes(state, task, plan, indices, "discriminator")
            real = real.requires_grad_(penalise)
            real_scores, _ = discriminator(real, plan.fade)
            fake_scores, read = discriminator(fakes.images, plan.fade)
        adversary = adversarial.discriminator_loss(real_scores.float(), fake_scores.float())
        pose = adversarial.pose_loss(read.float(), fakes.poses).mean()
        r1 = real_scores.new_zeros(())
        if penalise:
            r1 = adversarial.r1_penalty(real_scores, real)
        weight = training.r1_weight * training.r1_every
        loss = adversary + training.pose_weight * pose + weight * r1
        (loss * share).backward()
        sums += torch.stack([adversary, pose, r1.float()]).detach() * share
    _update(state.optimizer_d, [discriminator], training.clip_discriminator, task, "discriminator")
    adversary, pose, r1 = task.world.total(sums)
    values = {"loss_d": adversary, "pose_d": pose}
    return values | ({"r1": r1} if penalise else {})


def generator_step(state: TrainState, task: Task, plan: StepPlan) -> dict[str, Tensor]:
    """One update of the generator and of its average. Raises NonFinite before any weight
    changes."""
    training, model = task.training, task.model
    share = plan.stage.micro_batch / plan.stage.batch
    keep = adversarial.topk_count(
        plan.step, plan.stage.micro_batch, training.topk_decay, training.topk_floor
    )
    state.discriminator.requires_grad_(False)
    state.optimizer_g.zero_grad(set_to_none=True)
    sums = torch.zeros(5, device=task.world.device)
    for indices in task.rows(plan):
        with task.autocast():
            fakes = make_fakes(state, task, plan, indices, "generator")
            scores, read = state.discriminator(fakes.images, plan.fade)
        weights = adversarial.topk_weights(scores.float(), keep)
        adversary = (weights * adversarial.generator_loss(scores.float())).sum()
        pose = (weights * adversarial.pose_loss(read.float(), fakes.poses)).sum()
        prior = adversary.new_zeros(())
        if model.integrator == "occupancy" and model.opacity.weight:
            prior = opacity_prior(fakes.out.logits.sigmoid())
        loss = adversary + training.pose_weight * pose + plan.opacity_weight * prior
        loss = loss + model.normal.weight * fakes.smoothness
        (loss * share).backward()
        hit = fakes.out.hit.float().mean()
        sums += torch.stack([adversary, pose, prior, fakes.smoothness, hit]).detach() * share
    _update(state.optimizer_g, [state.generator], training.clip_generator, task, "generator")
    state.step += 1
    state.update_ema(training.ema)
    names = ("loss_g", "pose_g", "opacity", "smoothness", "hit")
    return dict(zip(names, task.world.total(sums), strict=True))


def _update(
    optimizer: Optimizer, modules: Iterable[nn.Module], clip: float, task: Task, name: str
) -> None:
    """Sum gradients over processes, clip, and step; a gradient that is not finite stops all
    processes alike."""
    modules = list(modules)
    task.world.sum_gradients(modules)
    parameters = [p for module in modules for p in module.parameters()]
    norm = nn.utils.clip_grad_norm_(parameters, clip)
    if not torch.isfinite(norm):
        raise NonFinite(f"the gradient of the {name} is not finite")
    optimizer.step()
