"""What every measurement is given: its subject, the data set, evaluation seeds, files; and how its
rows look."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gof.data.manifest import Manifest
from gof.experiment.config import Config
from gof.geometry.cameras import sample_poses
from gof.geometry.settings import Camera
from gof.models import pretrained as generators
from gof.models.generator import Generator
from gof.models.pretrained import Pretrained
from gof.models.settings import Networks
from gof.rendering.interface import RenderSettings
from gof.rendering.settings import Interval, Sampling
from gof.run import rng
from gof.run.files import say
from gof.training.settings import Training

Row = dict[str, Any]


@dataclass(frozen=True)
class Context:
    """What a measurement is given.

    generator: the file of the one that is measured; None for one before training (`untrained`: a
    generator file to start afresh from, else the network of `config`). views: what metrics that
    look at images look at (`gof.metrics.views`). reference: known answers are wanted. files:
    further inputs, by the names in `gof.metrics.registry.FILES`.
    """

    config: Config
    manifest: Manifest
    device: str
    generator: Path | None = None
    views: Manifest | None = None
    reference: bool = False
    untrained: Path | None = None
    files: Mapping[str, Path] = field(default_factory=dict)

    @property
    def seeds(self) -> tuple[int, ...]:
        """Evaluation seeds."""
        return self.config.metrics.seeds

    @property
    def split(self) -> str:
        """The held-out images that are measured on."""
        return self.config.metrics.split

    @cached_property
    def model(self) -> Pretrained:
        """The generator that is measured."""
        if self.generator is not None:
            found = generators.load(self.generator, self.device)
            self.manifest.must_be_seen_by(self.generator, found.camera, found.shown_background)
            return found
        place = self.manifest.camera, self.manifest.background
        return untrained(self.config, place, self.untrained, self.device)

    @property
    def name(self) -> str:
        """What is measured, as the tables call it."""
        if self.views is not None:
            return self.views.name
        return "untrained" if self.generator is None else str(self.model.info["model"])

    @property
    def size(self) -> int | None:
        """The size that sizes left open follow, pixels: that of the views, or of the generator's
        last stage; for references the largest of the configured models."""
        if self.views is not None:
            return self.view_size
        given = self.generator is not None or self.untrained is not None
        return self.model.resolution if given else self.config.largest()

    @property
    def seen(self) -> Manifest:
        """The views; only for metrics that look at some."""
        assert self.views is not None
        return self.views

    @property
    def view_size(self) -> int:
        """Pixels a side of the views."""
        return self.seen.resolutions[0]

    @property
    def view_count(self) -> int:
        """How many views there are of every evaluation seed."""
        return min(self.seen.split(split_of(seed)).count for seed in self.seeds)

    @property
    def generated(self) -> str:
        """What views are called in protocols."""
        return f"generated images, psi {self.seen.provenance['truncation']:g}"

    def subset(self, seed: int, purpose: str, population: int, count: int) -> Tensor:
        """`count` indices out of `population`, without repetition, drawn for an evaluation seed."""
        draws = rng.generator(seed, f"evaluation {purpose}")
        return torch.randperm(population, generator=draws)[:count]


def split_of(seed: int) -> str:
    """The split that holds the views of an evaluation seed."""
    return f"seed{seed}"


def poses(camera: Camera, seed: int, count: int) -> Tensor:
    """Camera poses [count, 2] of an evaluation seed, from the camera's prior."""
    return sample_poses(camera, rng.streams(seed, "evaluation poses", range(count)))


def unmeasured(model: str, metrics: Iterable[str], why: str) -> list[dict[str, str]]:
    """What a record says of metrics that could not be measured, which is said aloud too."""
    names = list(metrics)
    say(f"warning: {model}: no {', '.join(names)}: {why}")
    return [{"model": model, "metric": metric, "why": why} for metric in names]


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
