"""A generator as a file: safetensors beside a YAML."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import yaml
from safetensors import SafetensorError
from torch import Tensor, nn

from gof.fields.field import Field
from gof.geometry.settings import Camera
from gof.models.generator import Generator
from gof.models.settings import Networks
from gof.morphable.coefficients import Layout
from gof.rendering.interface import RenderSettings
from gof.rendering.settings import Sampling
from gof.run import rng
from gof.run.files import InputError, atomic_write, sha256

FORMAT = 2


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
    def layout(self) -> Layout | None:
        """The blocks of a conditional generator's latent."""
        blocks = self.info.get("blocks")
        return Layout(blocks) if blocks else None

    @property
    def interval_max(self) -> float:
        """Half-width of the interval that training began with."""
        return float(self.info["trained_as"]["interval"]["max"])

    @property
    def resolution(self) -> int:
        """Size of the images of the last stage, pixels."""
        return int(self.info["trained_as"]["stages"][-1]["resolution"])

    def latents(self, seed: int, count: int) -> Tensor:
        """z ~ N(0, I), [count, latent]; latent i does not depend on count."""
        return rng.streams(seed, "evaluation latents", range(count)).normal(self.generator.latent)

    def bind(self, latents: Tensor, truncation: float) -> Field:
        """Fields of latents [batch, latent], truncated."""
        styles = self.generator.truncate(self.generator.style(latents), truncation)
        return self.generator.bind(styles)


def save(path: Path, generator: Generator, info: dict[str, Any]) -> None:
    """Write `path` (YAML) and the weights beside it (.safetensors, written first).

    info must hold `networks`, `camera`, `trained_as` (the model's section), `half_width` and
    `background`, all as plain values.
    """
    weights = path.with_suffix(".safetensors")
    state = {name: tensor.contiguous() for name, tensor in generator.state_dict().items()}
    atomic_write(weights, safetensors.torch.save(state))
    described = {"format": FORMAT, "weights": weights.name, "sha256": sha256(weights), **info}
    atomic_write(path, yaml.safe_dump(described, sort_keys=False))


def load(path: Path, device: str = "cpu") -> Pretrained:
    """Read a saved generator. Raises InputError when a file is missing, damaged or of another
    format."""
    try:
        info = yaml.safe_load(path.read_text())
        if info["format"] != FORMAT:
            raise InputError(f"{path}: format {info['format']}, this version reads {FORMAT}")
        weights, digest = path.parent / info["weights"], info["sha256"]
        networks = Networks.model_validate(info["networks"])
        camera, trained_as = Camera.model_validate(info["camera"]), info["trained_as"]
        sampling = Sampling.model_validate(trained_as["sampling"])
        place = camera, tuple(info["background"])
        settings = RenderSettings.of(trained_as["integrator"], sampling, info["half_width"], place)
    except FileNotFoundError:
        raise InputError(f"{path}: no such generator: train one first") from None
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        reason = " ".join(str(error).split())[:160]
        raise InputError(f"{path}: not a generator description ({reason})") from None
    if sha256(weights) != digest:
        raise InputError(f"{weights}: content does not match {path.name}: damaged, export it again")
    generator = Generator(networks)
    load_state(generator, weights)
    return Pretrained(generator.to(device).eval().requires_grad_(False), camera, settings, info)


def layout_of(model: Pretrained, path: Path) -> Layout:
    """The blocks of a conditional generator's latent. Raises InputError, naming its file, for one
    that no coefficients condition."""
    if model.layout is None:
        name = model.info["model"]
        raise InputError(f"{path}: {name} is no conditional generator: train with `conditions`")
    return model.layout


def load_state(module: nn.Module, weights: Path) -> None:
    """Fill a module from a safetensors file. Raises InputError naming the file and the first odd
    key."""
    try:
        module.load_state_dict(safetensors.torch.load_file(weights))
    except FileNotFoundError:
        raise InputError(f"{weights}: no such file") from None
    except (SafetensorError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{weights}: cannot be read as these weights: {reason}") from None
