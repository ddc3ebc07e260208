"""Fields whose surfaces are hard on a sparse grid, and the dense grid as its reference."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gof.fields import Field
from gof.fields.analytic import sphere
from gof.sparse_grid import Grid


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


class Plate:
    """A square plate, `half` thick to either side of z = `height`."""

    def __init__(self, half: float, height: float) -> None:
        self.half, self.height = half, height

    def logits(self, points: Tensor) -> Tensor:
        x, y, z = (points - points.new_tensor([0.0, 0.0, self.height])).unbind(-1)
        return 1000 * torch.stack([0.08 - x.abs(), 0.08 - y.abs(), self.half - z.abs()]).amin(0)

    def radiance(self, points: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        return directions, self.logits(points)


class Rod:
    """A round rod along x."""

    def __init__(self, radius: float) -> None:
        self.radius = radius

    def logits(self, points: Tensor) -> Tensor:
        x, y, z = points.unbind(-1)
        axis = torch.hypot(y - 0.013, z + 0.021)
        return 300 * torch.minimum(self.radius - axis, 0.1 - x.abs())

    def radiance(self, points: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        return directions, self.logits(points)
