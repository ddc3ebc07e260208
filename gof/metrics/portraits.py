"""Whose faces are measured for control: those of a conditional generator; those of an unconditional
one, which cannot obey (the floor); the meshes themselves (the ceiling).

All are asked in the same way: for latents of the conditional generator's layout, seen from poses.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor
from tqdm import tqdm

from gof.metrics.scores.ray_profile import first_crossings
from gof.models.pretrained import Pretrained
from gof.morphable.meshes import Meshes
from gof.pictures.views import ViewRequest, render_views
from gof.run import rng

BLOCK = 4  # meshes drawn together


@dataclass(frozen=True, slots=True)
class Request:
    """Who is asked for: latents [n, total], poses [n, 2], in pictures of `resolution` pixels; seed
    and purpose tell the draws of this request from others."""

    latents: Tensor
    poses: Tensor
    resolution: int
    seed: int
    purpose: str


@dataclass(frozen=True, slots=True)
class Portraits:
    """rgb [n, 3, r, r] in [-1, 1]; depth along the rays [n, r, r] where mask, bool [n, r, r], says
    that there is something."""

    rgb: Tensor
    depth: Tensor
    mask: Tensor


class Subject(Protocol):
    """Answers sittings. `psi` truncates mesh and field alike: it pulls coefficients toward their
    mean, for the meshes a source is compared with, and styles toward theirs. (Latents times psi are
    no condition a field has seen: in so many dimensions the short ones never occur.)"""

    @property
    def name(self) -> str:
        """Row of the tables."""

    @property
    def psi(self) -> float:
        """Truncation, 1 for none."""

    def portraits(self, request: Request) -> Portraits:
        """Pictures and depth."""

    def surfaces(self, request: Request, coarse: int) -> tuple[Tensor, Tensor]:
        """Distance of the surface along the rays [n, r, r] and, bool [n, r, r], whether they meet
        it, found with `coarse` evenly spaced samples where there is a field."""


@dataclass(frozen=True, slots=True)
class Conditional:
    """A conditional generator, its raw field: no mesh guides the samples."""

    name: str
    model: Pretrained
    psi: float = 1.0

    def portraits(self, request: Request) -> Portraits:
        """See `Subject`."""
        label = f"{self.name}, {request.purpose}, evaluation seed {request.seed}"
        wanted = ViewRequest(request.latents, request.poses, request.resolution, self.psi, label)
        seen = render_views(self.model, wanted)
        return Portraits(seen.rgb, seen.depth, seen.alpha > 0.5)

    def surfaces(self, request: Request, coarse: int) -> tuple[Tensor, Tensor]:
        """See `Subject`."""
        return surfaces(self.model, request, coarse, self.psi)


@dataclass(frozen=True, slots=True)
class RandomPairing:
    """An unconditional generator: every picture shows another random head, whoever was asked for;
    only the camera is obeyed."""

    model: Pretrained
    name: str = "random_pairing"
    psi: float = 1.0

    def portraits(self, request: Request) -> Portraits:
        """See `Subject`."""
        return Conditional(self.name, self.model).portraits(self._anyone(request))

    def surfaces(self, request: Request, coarse: int) -> tuple[Tensor, Tensor]:
        """See `Subject`."""
        return surfaces(self.model, self._anyone(request), coarse, self.psi)

    def _anyone(self, request: Request) -> Request:
        own = rng.streams(
            request.seed, f"random pairing, {request.purpose}", range(len(request.latents))
        )
        return replace(request, latents=own.normal(self.model.generator.latent))


@dataclass(frozen=True, slots=True)
class Renders:
    """The meshes that were asked for."""

    meshes: Meshes
    name: str = "renders"
    psi: float = 1.0

    def portraits(self, request: Request) -> Portraits:
        """See `Subject`."""
        label = f"{self.name}, {request.purpose}, evaluation seed {request.seed}"
        pairs = zip(request.latents.split(BLOCK), request.poses.split(BLOCK), strict=True)
        rows = []
        for latents, poses in tqdm(list(pairs), desc=label, disable=None):
            seen = self.meshes.raster(latents, poses, request.resolution)
            image = self.meshes.pictures(latents, poses, request.resolution)
            rows.append((image, seen.depth, seen.mask))
        rgb, depth, mask = (torch.cat(column) for column in zip(*rows, strict=True))
        return Portraits(rgb, depth, mask)

    def surfaces(self, request: Request, coarse: int) -> tuple[Tensor, Tensor]:
        """See `Subject`; a mesh needs no samples."""
        seen = self.meshes.raster(request.latents, request.poses, request.resolution)
        return seen.depth, seen.mask


@torch.no_grad()
def surfaces(model: Pretrained, request: Request, coarse: int, psi: float) -> tuple[Tensor, Tensor]:
    """First crossing of fields along the rays of all pixels: t, hit [n, r, r]."""
    square = (request.resolution, request.resolution)
    rows = []
    for z, pose in zip(request.latents.split(1), request.poses.split(1), strict=True):
        field = model.bind(z, psi)
        rays = model.rays(pose, request.resolution)
        hit, surface_t = first_crossings(field, rays, model.settings, coarse)
        rows.append((surface_t.unflatten(-1, square).cpu(), hit.unflatten(-1, square).cpu()))
    t, hit = (torch.cat(column) for column in zip(*rows, strict=True))
    return t, hit
