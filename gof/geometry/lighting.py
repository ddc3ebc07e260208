"""Diffuse light from everywhere, in nine spherical-harmonics coefficients a channel (Ramamoorthi
and Hanrahan, "An efficient representation for irradiance environment maps", 2001)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gof.run.rng import Streams

# Clamped-cosine kernel of bands 0, 1, 2 over pi (eq. 8): irradiance / pi, the light a white surface
# sends back.
KERNEL = (1.0, *[2 / 3] * 3, *[1 / 4] * 5)
_BAND0 = 0.5 / math.sqrt(math.pi)
_BAND1 = math.sqrt(3 / (4 * math.pi))
_BAND2 = math.sqrt(15 / (4 * math.pi))
_ZONAL2 = math.sqrt(5 / (16 * math.pi))


def harmonics(directions: Tensor) -> Tensor:
    """The nine real spherical harmonics of bands 0 to 2 at unit directions [..., 3]: [..., 9]; the
    polar axis is z."""
    x, y, z = directions.unbind(-1)
    return torch.stack(
        [
            torch.full_like(x, _BAND0),
            _BAND1 * y,
            _BAND1 * z,
            _BAND1 * x,
            _BAND2 * x * y,
            _BAND2 * y * z,
            _ZONAL2 * (3 * z * z - 1),
            _BAND2 * x * z,
            _BAND2 / 2 * (x * x - y * y),
        ],
        -1,
    )


def shade(normals: Tensor, light: Tensor) -> Tensor:
    """Light sent back by a white diffuse surface: unit normals [batch, n, 3], radiance coefficients
    [batch, 9, 3] -> [batch, n, 3]."""
    kernel = light.new_tensor(KERNEL)[:, None]
    return (harmonics(normals) @ (kernel * light)).clamp(min=0)


def lamp(direction: Tensor, colour: Tensor) -> Tensor:
    """Coefficients [batch, 9, 3] of a distant lamp at unit directions [batch, 3]; a surface facing
    it sends back about `colour` [batch, 3]."""
    # a delta of radiance has coefficients Y(direction); pi makes the facing surface's return 17/16
    # of its colour
    return math.pi * harmonics(direction)[..., None] * colour[:, None]


def random_light(streams: Streams, spread: float = 1.4) -> Tensor:
    """One natural light a stream, [batch, 9, 3]: sky and ground, a soft key lamp whose azimuth lies
    within `spread` of the front, a slight tint."""
    count = len(streams)
    draw = streams.uniform(4)
    tint = 1 + 0.05 * streams.normal(3).clamp(-2, 2)
    azimuth = (draw[:, 0] * 2 - 1) * spread
    height = 0.15 + 0.75 * draw[:, 1]
    flat = (1 - height.square()).sqrt()
    direction = torch.stack([flat * azimuth.sin(), height, flat * azimuth.cos()], -1)
    key = (0.45 + 0.4 * draw[:, 2])[:, None] * tint
    light = lamp(direction, key)
    ambient = (0.38 + 0.22 * draw[:, 3])[:, None] * (2 - tint)
    light[:, 0] += ambient / _BAND0
    light[:, 1] += 0.25 * ambient / _BAND1  # brighter from above
    front = torch.tensor([0.0, 0.0, 1.0], device=draw.device).expand(count, 3)
    return light + lamp(front, 0.15 * tint)


def studio_light(count: int) -> Tensor:
    """The same plain light [count, 9, 3] for all tiles: a key lamp and an even surrounding."""
    light = lamp(torch.tensor([[-0.45, 0.45, 0.77]]), torch.full((1, 3), 0.6))
    light[:, 0] += 0.4 * 2 * math.sqrt(math.pi)
    return light.expand(count, -1, -1)
