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
from gof.geometry.cameras import sample_poses
from gof.geometry.settings import Camera
from gof.metrics.settings import Metrics
from gof.models import pretrained as generators
from gof.models.generator import Generator
from gof.models.pretrained import Pretrained
from gof.models.settings import Networks
from gof.rendering.render import RenderSettings
from gof.rendering.settings import Interval, Sampling
from gof.run import rng
from gof.training.settings import Training

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
    own = next(iter(config.models.values()), None)
    if source is not None:
        model = generators.load(source, device)
        fresh = model.generator
        settings = replace(model.settings, half_width=model.interval_max)
        ready = replace(model, settings=settings)
    else:
        networks = own.networks() if own else Networks()
        fresh = Generator(networks).to(device).eval().requires_grad_(False)
        camera, background = place
        red, green, blue = (2 * value - 1 for value in background)
        interval, place = Interval(), (camera, (red, green, blue))
        settings = RenderSettings.of("occupancy", Sampling(), interval.max, place)
        stages = [{"resolution": own.stages[-1].resolution}] if own else []
        trained_as = {"interval": interval.model_dump(), "stages": stages}
        info = {"model": "untrained", "seed": 0, "trained_as": trained_as}
        ready = Pretrained(fresh, camera, settings, info)
    fresh.cpu().reset(int(ready.info["seed"]))
    latents = own.training.truncation_latents if own else Training().truncation_latents
    fresh.estimate_mean_style(latents)
    fresh.to(device)
    return ready
