"""What goes into a render and what comes out of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from gof.geometry.settings import Camera
from gof.rendering.composite import density, density_alpha, occupancy_alpha
from gof.rendering.settings import Sampling


@dataclass(frozen=True, slots=True)
class RenderSettings:
    """How a ray is sampled and composited; `half_width` is the interval's at this moment of
    training."""

    integrator: Literal["occupancy", "density"]
    coarse: int
    secant: int
    surface: int
    fine: int
    tau: float
    density_scale: float
    near: float
    far: float
    half_width: float
    background: tuple[float, float, float]  # in [-1, 1]
    density_noise: float = 0.0  # standard deviation, per camera radius, of a jittered render

    @classmethod
    def of(
        cls,
        integrator: Literal["occupancy", "density"],
        sampling: Sampling,
        half_width: float,
        place: tuple[Camera, tuple[float, float, float]],
    ) -> RenderSettings:
        """Settings of a model before a camera and a background in [-1, 1]."""
        s, (camera, background) = sampling, place
        return cls(
            integrator=integrator,
            coarse=s.coarse,
            secant=s.secant,
            surface=s.surface,
            fine=s.fine,
            tau=s.tau,
            density_scale=s.density_scale,
            near=camera.near,
            far=camera.far,
            half_width=half_width,
            background=background,
        )

    @property
    def level(self) -> float:
        """The logit that counts as surface: occupancy tau, or opacity tau over one coarse
        spacing."""
        if self.integrator == "occupancy":
            return math.log(self.tau / (1 - self.tau))
        spacing = (self.far - self.near) / self.coarse
        return -math.log(1 - self.tau) / (self.density_scale * spacing)

    def alpha(self, logits: Tensor, t: Tensor) -> Tensor:
        """Opacity of samples with these logits at t."""
        if self.integrator == "occupancy":
            return occupancy_alpha(logits)
        return density_alpha(density(logits, self.density_scale), t, self.far)


@dataclass(frozen=True, slots=True)
class Guide:
    """A mesh that says where the surface is (cGOF, mesh-guided volume sampler): its depth along
    rays and whether they meet it, both [batch, rays]."""

    depth: Tensor
    mask: Tensor


@dataclass(frozen=True, slots=True)
class RenderOutput:
    """A rendered batch. Rays [batch, rays]; samples [batch, rays, samples], sorted by t.

    rgb [batch, rays, 3] in [-1, 1] over the background; alpha, sum of weights; depth, mean t under
    the weights (far where they vanish); hit and surface_t, the first free-to-occupied crossing (far
    where there is none); colours [batch, rays, samples, 3], what the samples shine with.
    """

    rgb: Tensor
    alpha: Tensor
    depth: Tensor
    hit: Tensor
    surface_t: Tensor
    t: Tensor
    logits: Tensor
    weights: Tensor
    colours: Tensor
