"""How a model is trained."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from gof.config.section import (
    Count,
    CountOrZero,
    NonNegative,
    Positive,
    Resolution,
    Section,
)

Decay = Annotated[float, Field(ge=0, lt=1)]


class Stage(Section):
    """One resolution of progressive growth: a node of the DAG."""

    resolution: Resolution
    steps: Count = Field(description="over which the schedules of the stage run")
    minutes: Positive | None = Field(
        None,
        description="train for so long, whatever the machine: as many steps as there is time for,"
        " which is measured at first; over them the schedules run as over `steps`",
    )
    objective: Literal["adversarial", "geometric"] = Field(
        "adversarial",
        description="geometric: the warm start of a conditional model, on meshes alone, its"
        " learning rate falling along a cosine",
    )
    batch: Count = Field(16, description="images of one step over all processes")
    micro_batch: Count = Field(
        8, description="images that pass the networks together; top-k acts within it"
    )
    lr_generator: Positive = 2e-4
    # At 1e-3 a first stage tears the sphere that shapes start as to pieces, and some of them are
    # left floating in front of the faces.
    lr_discriminator: Positive = 3e-4
    fade_steps: CountOrZero = Field(
        150, description="steps over which the discriminator's new layers fade in"
    )
    r1_weight: NonNegative | None = Field(
        None,
        description="of this stage alone, null: training.r1_weight. As a rule, twice the resolution"
        " takes four times the weight: so many more pixels share the discriminator's slope",
    )

    @field_validator("resolution")
    @classmethod
    def _doubles(cls, resolution: int) -> int:
        if resolution & (resolution - 1):
            raise ValueError("must be 4, 8, 16, ...: the discriminator halves images down to 4")
        return resolution

    @model_validator(mode="after")
    def _divides(self) -> Stage:
        if self.batch % self.micro_batch:
            raise ValueError(f"micro_batch ({self.micro_batch}) must divide batch ({self.batch})")
        return self


class Training(Section):
    """Optimisers, and the losses that are not of the field."""

    betas: tuple[Decay, Decay] = (0.0, 0.9)
    mapping_lr: Positive = Field(
        0.2, description="learning rate of the mapping network over the generator's"
    )
    clip_generator: Positive = Field(1.0, description="largest norm of the generator's gradient")
    clip_discriminator: Positive = Field(
        5.0, description="largest norm of the discriminator's gradient"
    )
    ema: Decay = Field(0.998, description="decay of the averaged weights")
    r1_weight: NonNegative = 1.0
    r1_every: Count = Field(
        8, description="steps between gradient penalties (their weight is scaled up by it)"
    )
    # Discriminator and generator share this loss: a large weight rewards parallax that overstates
    # the pose (mouths that stick out), a small one lets it be read from colour alone.
    pose_weight: NonNegative = Field(1.0, description="weight of the pose regression")
    share_fakes: bool = Field(
        False,
        description="one batch of fakes for both updates of a step: saves the discriminator's",
    )
    topk_decay: Annotated[float, Field(gt=0, le=1)] = Field(
        0.99, description="share of fakes kept falls by it in 2000 steps"
    )
    topk_floor: Annotated[float, Field(gt=0, le=1)] = Field(
        0.6, description="smallest share of fakes kept"
    )
    precision: Literal["float32", "bfloat16"] = "float32"
    truncation_latents: Count = Field(10000, description="latents behind the stored mean style")


class Runtime(Section):
    """How a job runs; nothing here changes a result."""

    train_threads: Count = Field(1, description="CPU threads of a training process")
    gpus: CountOrZero = Field(1, description="GPUs a training job asks for where there are any")
    log_every: Count = Field(20, description="steps between lines of the log")
    probe_every: Count = Field(100, description="steps between looks at surface and orientation")
    checkpoint_every: Count = Field(100, description="steps between checkpoints inside a stage")
    keep_checkpoints: Annotated[int, Field(ge=2)] = 2
    minutes: CountOrZero = Field(0, description="stop resumably after so many minutes, 0 for never")
