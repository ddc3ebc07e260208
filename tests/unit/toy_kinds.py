"""A kind of field and a source of data as another package would add them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gof.config.section import Count, Positive
from gof.data.manifest import Manifest, Split, write_manifest
from gof.data.settings import DataSet
from gof.data.shards import write_shard
from gof.data.source import Making, Source
from gof.fields.registry import FIELDS, FieldKind
from gof.fields.settings import FieldSettings
from gof.run.job import job
from gof.run.outputs import Writes
from gof.sources.registry import SOURCES


class BallSettings(FieldSettings):
    """A ball; its style says how much larger it is, and its colour."""

    name: Literal["ball"] = "ball"
    radius: Positive = 0.06
    slope: Positive = 300.0


@dataclass(frozen=True, slots=True)
class BoundBall:
    """Balls of radii [batch, 1] and colours [batch, 1, 3]."""

    radii: Tensor
    colours: Tensor
    slope: float

    def logits(self, points: Tensor) -> Tensor:
        return self.slope * (self.radii - points.norm(dim=-1))

    def radiance(self, points: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        return self.colours.tanh().expand_as(points), self.logits(points)


class BallNetwork(nn.Module):
    def __init__(self, settings: BallSettings) -> None:
        super().__init__()
        self.settings = settings
        self.size, self.colour = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(3))

    @property
    def style_size(self) -> int:
        return 4

    @torch.no_grad()
    def reset(self, generator: torch.Generator) -> None:
        self.size.zero_()
        self.colour.normal_(generator=generator)

    def bind(self, style: Tensor) -> BoundBall:
        radii = self.settings.radius + self.size + 0.001 * style[:, :1].tanh()
        return BoundBall(radii, (style[:, 1:] + self.colour)[:, None], self.settings.slope)


class Discs(DataSet):
    """Discs of random colours on the background."""

    source: Literal["discs"] = "discs"
    count: Count = 12


def make_discs(making: Making) -> None:
    settings, record = making.settings, making.out.with_name("data.json")
    with job(record, "dataset", making.config, {}, Writes((making.out,), fills=True)):
        draw = np.random.default_rng(0)
        arrays = {}
        for size in settings.resolutions:
            images = np.full((settings.count, size, size, 3), 255 * np.array(settings.background))
            colours = draw.uniform(0, 255, (settings.count, 1, 1, 3))
            images[:, size // 4 : -size // 4, size // 4 : -size // 4] = colours
            arrays[f"image_{size}"] = images.astype(np.uint8)
        shard = write_shard(making.out.with_name("train-000.safetensors"), arrays)
        splits = {"train": Split(settings.count, (shard,))}
        write_manifest(Manifest.of(making.out, making.name, settings, splits, ("images",)))


BALL = FieldKind("ball", BallSettings, BallNetwork, __name__)
DISCS = Source("discs", Discs, ("images",), make_discs)


def register() -> None:
    FIELDS.register(BALL)
    SOURCES.register(DISCS)


@pytest.fixture
def toy_kinds():
    register()
    yield
    FIELDS.forget(BALL.name)
    SOURCES.forget(DISCS.name)
