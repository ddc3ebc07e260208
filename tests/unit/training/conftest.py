from pathlib import Path

import pytest
import torch

from gof.config import (
    Camera,
    DiscriminatorNetwork,
    FieldNetwork,
    Model,
    NormalSmoothness,
    Runtime,
    Sampling,
    Stage,
    Training,
)
from gof.training.distributed import World
from gof.training.loop import Loop
from gof.training.reals import Reals
from gof.training.state import TrainState
from gof.training.steps import Task

STAGES = (
    Stage(resolution=8, steps=6, batch=8, micro_batch=4, fade_steps=2),
    Stage(resolution=16, steps=4, batch=8, micro_batch=4, fade_steps=3),
)
SAMPLING = Sampling(coarse=4, secant=1, surface=2, fine=1)


class Tiny:
    """A training task that takes milliseconds a step."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.training = Training(
            field=FieldNetwork(layers=2, width=8, latent=4, mapping_width=8),
            discriminator=DiscriminatorNetwork(channel_base=32, channel_max=8),
            r1_every=2,
        )
        self.model = Model(
            integrator="occupancy",
            sampling=SAMPLING,
            stages=STAGES,
            normal=NormalSmoothness(weight=0.01, distance=0.01),
        )

    def task(self, world: World = World(), model: Model | None = None) -> Task:  # noqa: B008
        return Task(
            model or self.model, self.training, Camera(), (1.0, 1.0, 1.0), seed=3, world=world
        )

    def state(self) -> TrainState:
        state = TrainState.create(self.training, STAGES[0].resolution, 3)
        state.set_learning_rates(STAGES[0], self.training)
        return state

    def reals(self, resolution: int = 8) -> Reals:
        generator = torch.Generator().manual_seed(1)
        shape = (10, 3, resolution, resolution)
        images = torch.randint(0, 255, shape, dtype=torch.uint8, generator=generator)
        return Reals(images, seed=3, flip=True)

    def loop(self, last: int, task: Task | None = None, runtime: Runtime | None = None) -> Loop:
        runtime = runtime or Runtime(log_every=2, checkpoint_every=2, probe_every=100)
        return Loop(
            task=task or self.task(),
            runtime=runtime,
            reals=self.reals(),
            stage=0,
            last=last,
            checkpoints=self.folder / "checkpoints",
            probe=lambda state, now: {"sigma": 0.0, "outward": 1.0},
        )


@pytest.fixture
def tiny(tmp_path: Path) -> Tiny:
    return Tiny(tmp_path)
