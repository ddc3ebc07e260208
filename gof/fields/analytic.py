"""Shapes in closed form, with the two methods of a bound field: what geometry code is tested on."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Ellipsoid:
    """Ellipsoid around `centre`; the logit falls linearly with the distance from its surface.

    radii and centre: (x, y, z) in camera radii. sharpness: slope of the logit, per camera radius.
    The distance is exact for equal radii and a first-order estimate otherwise (its zero is exact).
    """

    radii: tuple[float, float, float]
    centre: tuple[float, float, float] = (0.0, 0.0, 0.0)
    sharpness: float = 1000.0

    def logits(self, points: Tensor) -> Tensor:
        """See `gof.fields.Field.logits`."""
        radii = points.new_tensor(self.radii)
        scaled = (points - points.new_tensor(self.centre)) / radii
        if len(set(self.radii)) == 1:
            distance = (scaled.norm(dim=-1) - 1) * self.radii[0]
        else:
            length = scaled.norm(dim=-1)
            distance = length * (length - 1) / (scaled / radii).norm(dim=-1).clamp_min(1e-9)
        return -self.sharpness * distance

    def radiance(self, points: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        """Colour is the position relative to the centre, so that a picture shows where it was
        hit."""
        scaled = (points - points.new_tensor(self.centre)) / points.new_tensor(self.radii)
        return torch.tanh(scaled), self.logits(points)


def sphere(radius: float, sharpness: float = 1000.0) -> Ellipsoid:
    """A sphere around the origin."""
    return Ellipsoid((radius, radius, radius), sharpness=sharpness)
