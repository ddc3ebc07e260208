"""A training step on random images, to be timed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from gof.bench.place import BACKGROUND, HALF_WIDTH, Place, network_of
from gof.experiment.model import Model
from gof.fields.kinds.film_siren import FilmSirenSettings
from gof.models.settings import DiscriminatorNetwork, Networks
from gof.rendering.interface import RenderSettings
from gof.training.distributed import World
from gof.training.schedule import StepPlan
from gof.training.settings import Stage
from gof.training.state import TrainState
from gof.training.steps import discriminator_step, each_fakes, generator_step
from gof.training.task import Task

PAPER = DiscriminatorNetwork(channel_base=8192, channel_max=400)


@dataclass(frozen=True)
class Step:
    """Both updates of a model at one resolution; a call takes one step, one on which R1 is due."""

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
        """A fresh state that trains `model` at its first stage, with networks of these sizes."""
        model = model.model_copy(update={"discriminator": discriminator})
        return cls._at(place, model, model.stages[0], network_of(network), HALF_WIDTH)

    @classmethod
    def going_on(cls, place: Place) -> Step:
        """A training of the generator that is given, at the end of its last stage; its
        discriminator is fresh."""
        given = place.trained()
        model = Model.model_validate(given.info["trained_as"])
        networks = Networks.model_validate(given.info["networks"])
        step = cls._at(place, model, model.stages[-1], networks, given.settings.half_width)
        step.state.generator.load_state_dict(given.generator.state_dict())
        return step

    @classmethod
    def _at(
        cls, place: Place, model: Model, stage: Stage, networks: Networks, half_width: float
    ) -> Step:
        device = place.device
        state = TrainState.create(networks, model, stage.resolution, 0).to(device)
        state.set_learning_rates(stage, model.training)
        task = Task(model, networks, place.config.camera, BACKGROUND, 0, World(device=device))
        draw = torch.Generator().manual_seed(0)
        shape = (stage.micro_batch, 3, stage.resolution, stage.resolution)
        count = stage.batch // stage.micro_batch
        reals = [(torch.rand(shape, generator=draw) * 2 - 1).to(device) for _ in range(count)]
        plan = StepPlan(stage, 0, fade=1.0, half_width=half_width, opacity_weight=0.1)
        return cls(state, task, plan, reals)

    def __call__(self) -> None:
        """Take a step, its fakes shared by both updates where the model's settings say so."""
        reals = [real.clone() for real in self.reals]
        share = self.task.training.share_fakes
        shared = list(each_fakes(self.state, self.task, self.plan, "generator")) if share else None
        discriminator_step(self.state, self.task, self.plan, reals, shared)
        generator_step(self.state, self.task, self.plan, shared)

    def without_r1(self) -> Step:
        """The same on a step on which R1 is not due."""
        return replace(self, plan=replace(self.plan, step=1))

    @property
    def settings(self) -> RenderSettings:
        """How its fakes are rendered."""
        return self.task.rendering(self.plan.half_width)

    @torch.no_grad()
    def surface_t(self) -> Tensor:
        """Where rays of a batch meet the surface, far where they do not: [batch, rays]."""
        each = each_fakes(self.state, self.task, self.plan, "discriminator")
        return torch.cat([fakes.out.surface_t for fakes in each])

    def discriminator_operations(self) -> int:
        """Products that the discriminator's convolutions and its head take for a batch, one way."""
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            for real in self.reals:
                self.state.discriminator(real)
        return int(counter.get_total_flops())
