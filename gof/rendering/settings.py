"""How rays are sampled."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gof.config.section import (
    Count,
    CountOrZero,
    NonNegative,
    Positive,
    Section,
)


class Sampling(Section):
    """Points on a ray (method-gof 3.1)."""

    coarse: Annotated[int, Field(ge=2)] = Field(
        12, description="evenly spaced samples of the pass without gradient"
    )
    secant: CountOrZero = Field(3, description="secant steps that refine the first crossing")
    surface: CountOrZero = Field(8, description="samples in the interval around the surface")
    fine: CountOrZero = Field(0, description="importance samples from the coarse weights")
    tau: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.5, description="occupancy that counts as surface"
    )
    density_scale: Positive = Field(
        30.0, description="density per unit of positive logit (density integrator)"
    )


class DensityNoise(Section):
    """Gaussian noise on the densities of a radiance field while it trains, from `start` to 0 over
    the first steps (pi-GAN, `nerf_noise`)."""

    start: NonNegative = Field(
        0.0, description="standard deviation at the first step, per camera radius; pi-GAN: 1"
    )
    steps: Count = Field(5000, description="steps until there is none")


class Interval(Section):
    """Half-width of the sampled interval at a step: max(min, max * exp(-decay * step))."""

    max: Positive = 0.12
    min: Positive = 0.02
    decay: NonNegative = 1.25e-3


class Released(Section):
    """What differs among the authors' models, where a generator.yaml says `compat: released` (see
    `gof.rendering.released`)."""

    last_back: bool = Field(
        True, description="whether light that passes all samples shows the last one's colour"
    )
    clamp: Literal["relu", "softplus"] = Field(
        "relu", description="how a density is kept from being negative"
    )
    depths: tuple[Positive, Positive] = Field(
        (0.88, 1.12), description="where surface intervals end, whatever near and far are"
    )
    plane: bool = Field(
        False, description="whether t is the depth along the viewing axis, not along the ray"
    )
