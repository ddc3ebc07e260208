"""Fields whose surfaces are hard on a sparse grid, and the dense grid as its reference."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gof.fields.analytic import sphere
from gof.fields.field import Field
from gof.models.generator import Generator
from gof.shapes.sparse_grid import Grid
from tests.unit.small_networks import networks


class Union:
    """All of several shapes together."""

    def __init__(self, *shapes: Field) -> None:
        self.shapes = shapes

    def logits(self, points: Tensor) -> Tensor:
        return torch.stack([shape.logits(points) for shape in self.shapes]).amax(0)

    def radiance(self, points: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        return points / points.norm(dim=-1, keepdim=True), self.logits(points)


class Hollow:
    """A ball with a bubble inside."""

    def logits(self, points: Tensor) -> Tensor:
        return torch.minimum(sphere(0.1).logits(points), -sphere(0.04).logits(points))

    def radiance(self, points: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        return directions, self.logits(points)


class Bent:
    """A ring with a bumpy surface whose slope varies tenfold, as a network's does."""

    def logits(self, points: Tensor) -> Tensor:
        x, y, z = points.unbind(-1)
        tube = torch.hypot(torch.hypot(x, y) - 0.09, z)
        bumps = 0.004 * torch.sin(90 * x) * torch.cos(70 * y)
        return (0.03 + bumps - tube) * (60 + 500 * torch.sigmoid(80 * x))

    def radiance(self, points: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        return directions, self.logits(points)


class Needle:
    """A ball with a spike between coarse grid lines; the logit's slope vanishes a hair from it."""

    def logits(self, points: Tensor) -> Tensor:
        x, y, z = points.unbind(-1)
        axis = torch.hypot(y, z)
        spike = torch.minimum(0.006 - axis, torch.minimum(x, 0.14 - x))
        return 5 * torch.tanh(3000 * torch.maximum(spike, 0.05 - points.norm(dim=-1)))

    def radiance(self, points: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        return directions, self.logits(points)


def dense(field: Field, grid: Grid) -> np.ndarray:
    axis = torch.arange(grid.n)
    index = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1)
    return field.logits(grid.points(index).view(1, -1, 3)).view(grid.n, grid.n, grid.n).numpy()


class Thin:
    """All that is within `radius` of a point (a ball), a line (a rod) or a square (a plate), 0.1
    long. frame: [3, 3], its columns the axes; the line lies along the first, the square along the
    first two."""

    def __init__(self, kind: str, radius: float, centre: Tensor, frame: Tensor) -> None:
        self.radius, self.centre, self.frame = radius, centre, frame
        self.reach = torch.zeros(3)
        self.reach[: {"ball": 0, "rod": 1, "plate": 2}[kind]] = 0.05

    def logits(self, points: Tensor) -> Tensor:
        beyond = (((points - self.centre) @ self.frame).abs() - self.reach).clamp_min(0)
        return 400 * (self.radius - beyond.norm(dim=-1))

    def radiance(self, points: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        return directions, self.logits(points)


class Carved:
    """A ball without a thin part."""

    def __init__(self, part: Thin) -> None:
        self.part = part

    def logits(self, points: Tensor) -> Tensor:
        return torch.minimum(sphere(0.14).logits(points), -self.part.logits(points))

    def radiance(self, points: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        return directions, self.logits(points)


def bumpy(seed: int) -> Field:
    """A network as it is before training: a bumpy body the size of a head."""
    generator = Generator(networks(layers=3, width=32, logit_scale=4.0))
    generator.reset(seed)
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        return generator.bind(generator.style(torch.randn(1, generator.latent, generator=draw)))
