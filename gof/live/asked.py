"""What a page asks for, and what that means for the renderer."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from gof.models.pretrained import Pretrained
from gof.morphable.coefficients import Statistics
from gof.morphable.directions import FACTORS, direction, moved
from gof.pictures.renders import blended
from gof.pictures.views import (
    ViewRequest,
    Views,
    depth_picture,
    shaded_picture,
    to_uint8,
)

SHOWN = ("colour", "shape", "normal", "depth", "alpha")
SIZES = (32, 64, 96, 128, 192, 256, 384, 512)  # pixels a side that a page offers
MOST = 1024
ZOOM = (0.5, 4.0)
SEEDS = 10**9
REACH = 3.0  # of a coordinate of the latent, standard deviations
SPREADS = 3.0  # of the camera's law, to which a page turns


@dataclass(frozen=True, slots=True)
class Asked:
    """What one page asks for. seed, other, share: the head of a seed, or one on the way to another;
    yaw, pitch: radians; zoom: 1 as trained; shown: one of SHOWN; quick: surface mode; edits:
    coordinates of the latent, standard deviations, by (factor, component), in the order in which
    they were set."""

    seed: int = 0
    other: int = 1
    share: float = 0.0
    truncation: float = 0.7
    yaw: float = 0.0
    pitch: float = 0.0
    zoom: float = 1.0
    resolution: int = 128
    shown: str = "colour"
    quick: bool = False
    edits: tuple[tuple[tuple[str, str], float], ...] = ()


@dataclass(frozen=True)
class Subject:
    """A generator that is looked at. known: what the coefficients of a conditional one mean."""

    model: Pretrained
    known: Statistics | None = None
    _along: dict[tuple[str, str], Tensor] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def yaws(self) -> tuple[float, float]:
        """Least and greatest yaw, radians."""
        camera = self.model.camera
        if camera.law == "sphere":
            return -math.pi, math.pi
        return _around(camera.yaw_mean, min(math.pi / 2, SPREADS * camera.yaw))

    @cached_property
    def pitches(self) -> tuple[float, float]:
        """Least and greatest pitch, radians."""
        camera = self.model.camera
        if camera.law == "sphere":
            return camera.elevation
        return _around(camera.pitch_mean, min(math.pi / 4, SPREADS * camera.pitch))

    @property
    def has_surface_mode(self) -> bool:
        """Whether one colour a ray says what a head looks like: not of a radiance field, which is
        half transparent."""
        return self.model.settings.surface > 0

    @cached_property
    def components(self) -> dict[str, tuple[str, ...]]:
        """The components of each factor of `gof edit`: numbers, from 0, and names where they are
        known. Nothing where no coefficients condition the generator."""
        layout = self.model.layout
        if layout is None:
            return {}
        named = self.known.names if self.known else {}
        return {
            factor: (*map(str, range(layout.sizes[block])), *named.get(block, ()))
            for factor, block in FACTORS.items()
            if layout.sizes[block]
        }

    def sound(self, asked: Asked) -> Asked:
        """What is asked within the bounds of the controls: a browser may send anything. Raises
        ValueError for what no control has."""
        numbers = (asked.share, asked.truncation, asked.yaw, asked.pitch, asked.zoom)
        values = [value for _, value in asked.edits]
        if not all(map(math.isfinite, (*numbers, *values))):
            raise ValueError("no number")
        if asked.shown not in SHOWN:
            raise ValueError("no such picture")
        return replace(
            asked,
            seed=min(max(asked.seed, 0), SEEDS - 1),
            other=min(max(asked.other, 0), SEEDS - 1),
            share=_within(asked.share, (0.0, 1.0)),
            truncation=_within(asked.truncation, (0.0, 1.0)),
            yaw=_within(asked.yaw, self.yaws),
            pitch=_within(asked.pitch, self.pitches),
            zoom=_within(asked.zoom, ZOOM),
            resolution=min(max(asked.resolution, 1), MOST),
            quick=asked.quick and self.has_surface_mode,
            edits=tuple((which, _within(value, (-REACH, REACH))) for which, value in asked.edits),
        )

    def head(self, asked: Asked) -> Tensor:
        """The latent [1, latent] of a seed or between two, before any edit."""
        one = self.model.heads([asked.seed])
        if asked.share == 0:
            return one
        other = self.model.heads([asked.other])
        return blended(one, other, torch.tensor([[asked.share]]))

    def latent(self, asked: Asked) -> Tensor:
        """The latent [1, latent] of what is asked: as `gof edit` moves it, one edit after the
        other."""
        latent = self.head(asked)
        for which, value in asked.edits:
            latent = moved(latent, self.along(which), torch.tensor([value]))
        return latent

    def along(self, which: tuple[str, str]) -> Tensor:
        """The direction [latent] of a factor's component. Raises InputError for one that does not
        exist."""
        layout = self.model.layout
        assert layout is not None
        if which not in self._along:
            self._along[which] = direction(layout, *which, self.known)
        return self._along[which]

    def coordinates(self, asked: Asked, which: list[tuple[str, str]]) -> list[float]:
        """Where the head that is asked for lies along some components, standard deviations."""
        latent = self.latent(asked)[0]
        return [float(latent @ self.along(one)) for one in which]

    def request(self, asked: Asked, draft: int | None = None) -> ViewRequest:
        """The view to render. draft: in so few pixels a side, and in surface mode where there is
        one."""
        half = math.tan(math.radians(self.model.camera.fov_deg) / 2) / asked.zoom
        return ViewRequest(
            latents=self.latent(asked),
            poses=torch.tensor([[asked.yaw, asked.pitch]]),
            resolution=draft or asked.resolution,
            truncation=asked.truncation,
            normals=asked.shown in ("normal", "shape"),
            quick=self.has_surface_mode if draft else asked.quick,
            fov_deg=None if asked.zoom == 1 else 2 * math.degrees(math.atan(half)),
        )


def picture(seen: Views, shown: str) -> np.ndarray:
    """The first of some views as a picture [r, r, 3] uint8 of colours, shape, normals, depth or
    alpha."""
    pictures = {
        "colour": lambda: seen.rgb,
        "shape": lambda: shaded_picture(seen.normal, seen.hit),
        "normal": seen.normal_picture,
        "depth": lambda: depth_picture(seen.surface_t, seen.hit),
        "alpha": lambda: (seen.alpha * 2 - 1)[:, None].expand(-1, 3, -1, -1),
    }
    return to_uint8(pictures[shown]()[0])


def _around(mean: float, half: float) -> tuple[float, float]:
    return mean - half, mean + half


def _within(value: float, ends: tuple[float, float]) -> float:
    return min(max(value, ends[0]), ends[1])
