"""What every measurement needs: generators, data set, evaluation seeds; and how its rows look."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gof.data.manifest import Manifest
from gof.experiment.config import Config
from gof.experiment.model import Model
from gof.geometry.cameras import sample_poses
from gof.geometry.settings import Camera
from gof.metrics.settings import Metrics
from gof.models import pretrained as generators
from gof.models.generator import Generator
from gof.models.pretrained import Pretrained
from gof.rendering.interface import RenderSettings
from gof.run import rng

Row = dict[str, Any]


@dataclass(frozen=True)
class Bench:
    """What every measurement needs: a data set, and what is measured, by its name in the tables:
    its generator or, for metrics that look at images, its views (`gof.metrics.views`). references:
    also what the metric gives for known answers."""

    metrics: Metrics
    manifest: Manifest
    name: str
    model: Pretrained | None
    views: Manifest | None
    references: bool
    features: Path | None
    device: str

    def subset(self, seed: int, purpose: str, population: int, count: int) -> Tensor:
        """`count` indices out of `population`, without repetition, drawn for an evaluation seed."""
        draws = rng.generator(seed, f"evaluation {purpose}")
        return torch.randperm(population, generator=draws)[:count]


def poses(camera: Camera, seed: int, count: int) -> Tensor:
    """Camera poses [count, 2] of an evaluation seed, from the camera's prior."""
    return sample_poses(camera, rng.streams(seed, "evaluation poses", range(count)))


def row(model: str, metric: str, values: list[float], n: int, protocol: str) -> Row:
    """A row of the tables: mean and sample standard deviation over the evaluation seeds (0 for a
    single one)."""
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return {
        "model": model,
        "metric": metric,
        "value": statistics.fmean(values),
        "spread": spread,
        "n": n,
        "protocol": f"{protocol}; {len(values)} evaluation seed{'s' if len(values) > 1 else ''}",
    }


def untrained(
    config: Config,
    place: tuple[Camera, tuple[float, float, float]],
    source: Path | None,
    device: str,
) -> Pretrained:
    """A generator as it is before its first step: that of the file `source`, else of the configured
    network as GOF, in a place: camera and background (sRGB, 0 to 1)."""
    if source is not None:
        model = generators.load(source, device)
        trained_as = Model.model_validate(model.info["trained_as"])
        fresh = model.generator
        settings = replace(model.settings, half_width=trained_as.interval.max)
        ready = replace(model, settings=settings)
    else:
        fresh = Generator(config.training.field).to(device).eval().requires_grad_(False)
        camera, background = place
        red, green, blue = (2 * value - 1 for value in background)
        gof = Model.model_validate(
            {"integrator": "occupancy", "stages": [{"resolution": 32, "steps": 1}]}
        )
        settings = RenderSettings.of(gof, camera, gof.interval.max, (red, green, blue))
        info = {"model": "untrained", "seed": 0, "trained_as": gof.model_dump(mode="json")}
        ready = Pretrained(fresh, camera, settings, info)
    fresh.cpu().reset(int(ready.info["seed"]))
    fresh.estimate_mean_style(config.training.truncation_latents)
    fresh.to(device)
    return ready
