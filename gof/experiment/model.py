"""A generator to train."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from gof.conditioning.settings import Conditions
from gof.losses.settings import NormalSmoothness, Opacity
from gof.models.settings import DiscriminatorNetwork, Networks
from gof.rendering.settings import DensityNoise, Interval, Sampling
from gof.training.settings import Stage, Training


class Model(Networks):
    """A generator to train: `occupancy` is GOF, `density` its radiance-field baseline (pi-GAN)."""

    integrator: Literal["occupancy", "density"]
    discriminator: DiscriminatorNetwork = DiscriminatorNetwork()
    training: Training = Training()
    sampling: Sampling = Sampling()
    density_noise: DensityNoise = DensityNoise()
    interval: Interval = Interval()
    opacity: Opacity = Opacity()
    normal: NormalSmoothness = NormalSmoothness()
    conditions: Conditions | None = Field(None, description="given for cGOF")
    stages: Annotated[tuple[Stage, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _consistent(self) -> Model:
        sizes = [stage.resolution for stage in self.stages]
        if sizes != sorted(sizes):
            raise ValueError(f"stages must not shrink in resolution, got {sizes}")
        if self.integrator == "occupancy" and self.sampling.surface == 0:
            raise ValueError("sampling.surface must be at least 1 for the occupancy integrator")
        if self.integrator == "occupancy" and self.density_noise.start:
            raise ValueError("density_noise.start must be 0 for the occupancy integrator")
        guided = self.conditions is not None and self.conditions.guided_from is not None
        if self.integrator == "density" and self.sampling.surface and not guided:
            raise ValueError(
                "sampling.surface must be 0 for the density integrator (it has no interval)"
            )
        return self

    @model_validator(mode="after")
    def _warm_starts_have_losses(self) -> Model:
        for number, stage in enumerate(self.stages):
            if stage.objective == "adversarial":
                continue
            if self.conditions is None:
                raise ValueError("stages: objective geometric needs conditions")
            terms = (self.conditions.geometric, self.conditions.colour)
            if not any(term.weight and term.from_stage <= number for term in terms):
                raise ValueError(
                    f"stages.{number}: nothing to learn: objective geometric needs a weight of"
                    " conditions.geometric or conditions.colour from this stage on"
                )
        return self

    @model_validator(mode="after")
    def _discriminator_takes_the_stages(self) -> Model:
        network = self.discriminator
        for number, stage in enumerate(self.stages):
            if stage.objective == "adversarial" and not network.takes(stage.micro_batch):
                raise ValueError(
                    f"stages.{number}.micro_batch ({stage.micro_batch}) must be a multiple of"
                    f" discriminator.stddev_group ({network.stddev_group}), or smaller"
                )
        return self

    def first_step(self, stage: int) -> int:
        """Steps of the schedules before `stage` begins."""
        return sum(s.steps for s in self.stages[:stage])

    def budgeted(self, stage: int) -> bool:
        """Whether a budget of minutes decides which steps a stage takes: its own, or one before."""
        return any(s.minutes is not None for s in self.stages[: stage + 1])

    @property
    def needs(self) -> set[str]:
        """What a data set must offer for this model (`gof.data.settings.OFFERS`)."""
        return {"images"} if self.conditions is None else {"images", "landmarks", "coefficients"}

    def networks(self, latent: int | None = None) -> Networks:
        """Its generator's parts; latent: the size of a conditional model's latent."""
        mapping = self.mapping
        if latent is not None and self.conditions is not None:
            changes = {"latent": latent, "width": self.conditions.mapping_width}
            mapping = mapping.model_copy(update=changes)
        return Networks(field=self.field, mapping=mapping, start_shape=self.start_shape)

    def upto(self, stage: int) -> Model:
        """The same without later stages, and what only they have."""
        changes = {
            "stages": self.stages[: stage + 1],
            "conditions": self.conditions and self.conditions.upto(stage),
        }
        return self.model_copy(update=changes)
