"""Fields in closed form that are hard to render."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gof.fields.field import Field


@dataclass(frozen=True)
class Fog:
    """The same logit everywhere."""

    logit: float

    def logits(self, points: Tensor) -> Tensor:
        return torch.full_like(points[..., 0], self.logit)

    def radiance(self, points: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        return torch.tanh(20 * points), self.logits(points)


@dataclass(frozen=True)
class Union:
    """Two shapes."""

    first: Field
    second: Field

    def logits(self, points: Tensor) -> Tensor:
        return torch.maximum(self.first.logits(points), self.second.logits(points))

    def radiance(self, points: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        return torch.tanh(20 * points), self.logits(points)


@dataclass(frozen=True)
class Shell:
    """A hollow sphere."""

    radius: float
    thickness: float
    sharpness: float

    def logits(self, points: Tensor) -> Tensor:
        away = (points.norm(dim=-1) - self.radius).abs()
        return self.sharpness * (self.thickness / 2 - away)

    def radiance(self, points: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        return torch.tanh(20 * points), self.logits(points)


@dataclass(frozen=True)
class Filled:
    """A shape of one logit inside, nothing outside."""

    shape: Field
    logit: float

    def logits(self, points: Tensor) -> Tensor:
        return (self.shape.logits(points) >= 0) * (self.logit + 12.0) - 12.0 + 0 * points[..., 0]

    def radiance(self, points: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        return torch.tanh(20 * points), self.logits(points)
