"""What goes into a render and what comes out of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from gof.geometry.cameras import Rays, camera_rays
from gof.geometry.settings import Camera
from gof.rendering.composite import density, density_alpha, occupancy_alpha
from gof.rendering.sampling import importance, stratified, surface_interval
from gof.rendering.settings import Sampling


@dataclass(frozen=True, slots=True)
class RenderSettings:
    """How a ray is sampled and composited; `half_width` is the interval's at this moment of
    training. Its methods are the rules that `gof.rendering.released` has others for."""

    everywhere: ClassVar[bool] = False  # whether even a ray that shows nothing needs its samples

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

    def rays(self, poses: Tensor, resolution: int, fov_deg: float) -> Rays:
        """Rays through all pixels of images from poses [batch, 2]: rays = resolution^2."""
        return camera_rays(poses, resolution, fov_deg)

    def whole(self, u: Tensor) -> Tensor:
        """Samples over all of [near, far] for draws u, both [batch, rays, samples]."""
        near, far = (u.new_full(u.shape[:2], x) for x in (self.near, self.far))
        return stratified(near, far, u)

    def around(self, middle: Tensor, known: Tensor, u: Tensor) -> Tensor:
        """Samples [batch, rays, samples] in the interval around the surface, whose middle is known
        on some rays, both [batch, rays], for draws u."""
        return stratified(*surface_interval(middle, known, self.half_width, self.near, self.far), u)

    def likely(self, t: Tensor, weights: Tensor, u: Tensor) -> Tensor:
        """Importance samples [batch, rays, n] from coarse samples t and their weights, for draws
        u."""
        return importance(t, weights, u)

    def behind(self, colours: Tensor) -> Tensor:
        """What light that passes all samples of these colours [batch, rays, samples, 3] shows:
        [..., 3]."""
        return colours.new_tensor(self.background)


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
