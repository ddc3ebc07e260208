"""The two updates of adversarial training, as functions of state, batch and plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from gof.losses import adversarial
from gof.losses.field import normal_smoothness, opacity_prior
from gof.losses.settings import NormalSmoothness
from gof.training.conditioner import Terms
from gof.training.distributed import World
from gof.training.fakes import Fakes
from gof.training.schedule import StepPlan
from gof.training.state import TrainState
from gof.training.task import Task, draw_samples, make_fakes


class NonFinite(ArithmeticError):
    """A loss or gradient is not a number; the update was not applied."""


def _smoothness(fakes: Fakes, normal: NormalSmoothness) -> Tensor:
    """Normal smoothness over at most `normal.rays` rays of each image, those that hit first."""
    points = fakes.rays.at(fakes.out.surface_t[..., None]).squeeze(2)
    count = min(normal.rays, points.shape[1])
    # Random among the rays that hit; the others follow only where too few do, and do not count.
    streams = fakes.drawn.streams
    order = streams.uniform(points.shape[1]) + ~fakes.out.hit
    chosen = order.topk(count, largest=False).indices
    points = points.gather(1, chosen[..., None].expand(-1, -1, 3))
    offset = F.normalize(streams.normal(count, 3), dim=-1) * normal.distance
    return normal_smoothness(fakes.field, points, fakes.out.hit.gather(1, chosen), offset)


def each_fakes(state: TrainState, task: Task, plan: StepPlan, who: str) -> Iterator[Fakes]:
    """The fakes of a step, micro-batch by micro-batch, for the update called `who`."""
    for rows in task.rows(plan):
        with task.autocast(), torch.set_grad_enabled(who == "generator"):
            fakes = make_fakes(state, task, plan, rows, who)
        yield fakes


def discriminator_step(
    state: TrainState,
    task: Task,
    plan: StepPlan,
    reals: list[Tensor],
    shared: list[Fakes] | None = None,
) -> dict[str, Tensor]:
    """One update of the discriminator. reals: [micro_batch, 3, r, r] for each micro-batch of this
    process; shared: fakes that the generator's update uses too.

    Raises NonFinite before any weight changes.
    """
    training, discriminator = task.training, state.discriminator
    batches = shared or each_fakes(state, task, plan, "discriminator")
    share = plan.stage.micro_batch / plan.stage.batch
    own = plan.stage.r1_weight
    r1_weight = training.r1_weight if own is None else own
    penalise = r1_weight > 0 and plan.step % training.r1_every == 0
    discriminator.requires_grad_(True)
    state.optimizer_d.zero_grad(set_to_none=True)
    sums = torch.zeros(5, device=task.world.device)
    for fakes, real in zip(batches, reals, strict=True):
        with task.autocast():
            real = real.requires_grad_(penalise)
            real_scores, _ = discriminator(real, plan.fade)
            fake_scores, read = discriminator(fakes.images.detach(), plan.fade)
        adversary = adversarial.discriminator_loss(real_scores.float(), fake_scores.float())
        pose = _pose_loss(task, read, fakes).mean()
        r1 = real_scores.new_zeros(())
        if penalise:
            r1 = adversarial.r1_penalty(real_scores, real)
        loss = adversary + training.pose_weight * pose + r1_weight * training.r1_every * r1
        (loss * share).backward()
        right = (real_scores > 0).float().mean(), (fake_scores < 0).float().mean()
        sums += torch.stack([adversary, pose, r1.float(), *right]).detach() * share
    _update(state.optimizer_d, [discriminator], training.clip_discriminator, task, "discriminator")
    adversary, pose, r1, on_reals, on_fakes = task.world.total(sums)
    values = {"loss_d": adversary, "pose_d": pose}
    values |= {"accuracy_real": on_reals, "accuracy_fake": on_fakes}
    return values | ({"r1": r1} if penalise else {})


def generator_step(
    state: TrainState, task: Task, plan: StepPlan, shared: list[Fakes] | None = None
) -> dict[str, Tensor]:
    """One update of the generator and of its average; shared: its fakes, where they are made
    already. Raises NonFinite before any weight changes."""
    state.discriminator.requires_grad_(False)
    state.optimizer_g.zero_grad(set_to_none=True)
    log = _Log(plan.stage.micro_batch / plan.stage.batch)
    for fakes in shared or each_fakes(state, task, plan, "generator"):
        with task.autocast():
            terms = _adversarial_terms(state, task, plan, fakes)
        terms |= _field_terms(task, plan, fakes)
        if task.conditioner is not None:
            terms |= task.conditioner.terms(state.generator, fakes, plan, task.camera)
        log.add(terms)
        log.note("hit", fakes.out.hit.float().mean())
    _update(state.optimizer_g, [state.generator], task.training.clip_generator, task, "generator")
    state.step += 1
    state.update_ema(task.training.ema)
    return log.totals(task.world)


def warm_step(state: TrainState, task: Task, plan: StepPlan) -> dict[str, Tensor]:
    """One update of a conditional generator on its conditions alone: no image is rendered, no
    discriminator asked. Raises NonFinite before any weight changes."""
    assert task.conditioner is not None
    state.optimizer_g.zero_grad(set_to_none=True)
    log = _Log(plan.stage.micro_batch / plan.stage.batch)
    for rows in task.rows(plan):
        drawn = draw_samples(task, rows, "generator")
        field = state.generator.bind(state.generator.style(drawn.latents))
        log.add(task.conditioner.warm_terms(field, drawn, plan, task.camera))
    _update(state.optimizer_g, [state.generator], task.training.clip_generator, task, "generator")
    state.step += 1
    state.update_ema(task.training.ema)
    return log.totals(task.world)


class _Log:
    """Losses of a step by name: weighted, differentiated, and summed over micro-batches and
    processes."""

    def __init__(self, share: float) -> None:
        self.share = share
        self.sums: dict[str, Tensor] = {}

    def add(self, terms: Terms) -> None:
        """Backward through the weighted sum of terms."""
        total = torch.stack([weight * value for weight, value in terms.values()]).sum()
        (total * self.share).backward()
        for name, (_, value) in terms.items():
            self.note(name, value)

    def note(self, name: str, value: Tensor) -> None:
        """A number of a micro-batch that is only to be logged."""
        self.sums[name] = self.sums.get(name, 0) + value.detach().float() * self.share

    def totals(self, world: World) -> dict[str, Tensor]:
        """Sums over all processes."""
        return dict(zip(self.sums, world.total(torch.stack(list(self.sums.values()))), strict=True))


def _pose_loss(task: Task, read: Tensor, fakes: Fakes) -> Tensor:
    """How far poses that the discriminator reads off fakes are from theirs, [n]."""
    circle = task.camera.law == "sphere"
    return adversarial.pose_loss(read.float(), fakes.drawn.poses, circle)


def _adversarial_terms(state: TrainState, task: Task, plan: StepPlan, fakes: Fakes) -> Terms:
    """What the discriminator says of the fakes it takes for real most."""
    training = task.training
    scores, read = state.discriminator(fakes.images, plan.fade)
    keep = adversarial.topk_count(
        plan.scheduled, plan.stage.micro_batch, training.topk_decay, training.topk_floor
    )
    weights = adversarial.topk_weights(scores.float(), keep)
    adversary = (weights * adversarial.generator_loss(scores.float())).sum()
    pose = (weights * _pose_loss(task, read, fakes)).sum()
    return {"loss_g": (1.0, adversary), "pose_g": (training.pose_weight, pose)}


def _field_terms(task: Task, plan: StepPlan, fakes: Fakes) -> Terms:
    """What the field is asked to be, whatever it shows."""
    model = task.model
    terms: Terms = {}
    if model.integrator == "occupancy" and model.opacity.weight:
        red = (fakes.out.colours[..., 0] + 1) / 2
        driven = red if model.opacity.of == "red" else fakes.out.logits.sigmoid()
        terms["opacity"] = (plan.opacity_weight, opacity_prior(driven))
    if model.normal.weight:
        terms["smoothness"] = (model.normal.weight, _smoothness(fakes, model.normal))
    return terms


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
