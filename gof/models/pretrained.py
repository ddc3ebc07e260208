"""A generator as a file: safetensors beside a YAML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gof.fields.field import Field
from gof.geometry.cameras import Rays
from gof.geometry.settings import Camera
from gof.models import packaged
from gof.models.generator import Generator
from gof.models.settings import Networks
from gof.morphable.coefficients import Layout
from gof.rendering.interface import RenderSettings
from gof.rendering.released import ReleasedSettings
from gof.rendering.settings import Released, Sampling
from gof.run import rng
from gof.run.files import InputError
from gof.run.network_file import NetworkFile

FILE = NetworkFile("generator", 3, f"train one, or name one of {', '.join(packaged.names())}")


@dataclass(frozen=True)
class Pretrained:
    """A saved generator with what is needed to use it.

    info: model (name), seed, stage, step, dataset, background, networks, and the settings it was
    trained with.
    """

    generator: Generator
    camera: Camera
    settings: RenderSettings
    info: dict[str, Any]

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return self.generator.mean_style.device

    @property
    def layout(self) -> Layout | None:
        """The blocks of a conditional generator's latent."""
        blocks = self.info.get("blocks")
        return Layout(blocks) if blocks else None

    @property
    def shown_background(self) -> tuple[float, ...]:
        """Its background, 0 to 1, as a data set has it."""
        return tuple((value + 1) / 2 for value in self.settings.background)

    @property
    def interval_max(self) -> float:
        """Half-width of the interval that training began with, as far as the volume reaches."""
        whole = (self.camera.far - self.camera.near) / 2
        return min(whole, float(self.info["trained_as"]["interval"]["max"]))

    @property
    def resolution(self) -> int:
        """Size of the images of the last stage, pixels."""
        return int(self.info["trained_as"]["stages"][-1]["resolution"])

    def latents(self, seed: int, count: int) -> Tensor:
        """z ~ N(0, I), [count, latent]; latent i does not depend on count."""
        return rng.streams(seed, "evaluation latents", range(count)).normal(self.generator.latent)

    def heads(self, seeds: Sequence[int]) -> Tensor:
        """Latents [n, latent] of heads by seed: seed k is the same one on sheets, among meshes, in
        edits and videos; of the authors' weights, in their scripts too."""
        if drawn := self.info.get("latents"):
            return rng.by_torch(seeds, self.generator.latent, drawn)
        return rng.streams(0, "evaluation latents", seeds).normal(self.generator.latent)

    def rays(self, poses: Tensor, resolution: int, fov_deg: float | None = None) -> Rays:
        """Rays of its images from poses [batch, 2]; fov_deg: of another camera than its own."""
        seen = fov_deg or self.camera.fov_deg
        return self.settings.rays(poses.to(self.device), resolution, seen)

    def bind(self, latents: Tensor, truncation: float) -> Field:
        """Fields of latents [batch, latent], truncated."""
        style = self.generator.style(latents.to(self.device))
        styles = self.generator.truncate(style, truncation)
        return self.generator.bind(styles)


def save(path: Path, generator: Generator, info: dict[str, Any]) -> None:
    """Write `path` (YAML) and the weights beside it (.safetensors, written first).

    info must hold `networks`, `camera`, `trained_as` (the model's section), `half_width` and
    `background`, all as plain values; for the authors' weights `compat`, `released` and `latents`
    too.
    """
    FILE.save(path, generator, info)


def load(path: Path, device: str = "cpu") -> Pretrained:
    """Read a saved generator, or a packaged one by its name. Raises InputError when a file is
    missing, damaged or of another format."""
    path = packaged.located(path)
    with FILE.described(path) as info:
        networks = Networks.model_validate(info["networks"])
        camera, trained_as = Camera.model_validate(info["camera"]), info["trained_as"]
        sampling = Sampling.model_validate(trained_as["sampling"])
        place = camera, tuple(info["background"])
        settings = RenderSettings.of(trained_as["integrator"], sampling, info["half_width"], place)
        if (compat := info.get("compat")) == "released":
            settings = ReleasedSettings.by(settings, Released.model_validate(info["released"]))
        elif compat is not None:
            raise ValueError(f"compat {compat!r}: released is known")
    generator = FILE.filled(Generator(networks), path, info)
    return Pretrained(generator.to(device), camera, settings, info)


def layout_of(model: Pretrained, path: Path) -> Layout:
    """The blocks of a conditional generator's latent. Raises InputError, naming its file, for one
    that no coefficients condition."""
    if model.layout is None:
        name = model.info["model"]
        raise InputError(f"{path}: {name} is no conditional generator: train with `conditions`")
    return model.layout
