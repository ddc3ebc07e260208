"""A training step on random images, to be timed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gof.bench.place import BACKGROUND, HALF_WIDTH, Place, network_of
from gof.experiment.model import Model
from gof.fields.kinds.film_siren import FilmSirenSettings
from gof.models.settings import DiscriminatorNetwork
from gof.training.distributed import World
from gof.training.schedule import StepPlan
from gof.training.state import TrainState
from gof.training.steps import discriminator_step, each_fakes, generator_step
from gof.training.task import Task

PAPER = DiscriminatorNetwork(channel_base=8192, channel_max=400)


@dataclass(frozen=True)
class Step:
    """Both updates of a model at its first stage's resolution; a call takes one step, one on which
    R1 is due."""

    state: TrainState
    task: Task
    plan: StepPlan
    reals: list[Tensor]

    @classmethod
    def of(
        cls,
        place: Place,
        model: Model,
        network: FilmSirenSettings,
        discriminator: DiscriminatorNetwork = PAPER,
    ) -> Step:
        """A fresh state that trains `model` with networks of these sizes."""
        device, stage = place.device, model.stages[0]
        model = model.model_copy(update={"discriminator": discriminator})
        networks = network_of(network)
        state = TrainState.create(networks, model, stage.resolution, 0).to(device)
        state.set_learning_rates(stage, model.training)
        task = Task(model, networks, place.config.camera, BACKGROUND, 0, World(device=device))
        draw = torch.Generator().manual_seed(0)
        shape = (stage.micro_batch, 3, stage.resolution, stage.resolution)
        count = stage.batch // stage.micro_batch
        reals = [(torch.rand(shape, generator=draw) * 2 - 1).to(device) for _ in range(count)]
        plan = StepPlan(stage, 0, fade=1.0, half_width=HALF_WIDTH, opacity_weight=0.1)
        return cls(state, task, plan, reals)

    def __call__(self) -> None:
        """Take a step; each update makes fakes of its own."""
        reals = [real.clone() for real in self.reals]
        discriminator_step(self.state, self.task, self.plan, reals)
        generator_step(self.state, self.task, self.plan)

    def without_r1(self) -> Step:
        """The same on a step on which R1 is not due."""
        return replace(self, plan=replace(self.plan, step=1))

    @torch.no_grad()
    def surface_t(self) -> Tensor:
        """Where rays of a batch meet the surface, far where they do not: [batch, rays]."""
        each = each_fakes(self.state, self.task, self.plan, "discriminator")
        return torch.cat([fakes.out.surface_t for fakes in each])
