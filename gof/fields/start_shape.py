"""The shape that training starts from: an ellipsoid added to the logits of any field."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gof.fields.field import Field
from gof.fields.settings import StartShape


@dataclass(frozen=True, slots=True)
class Started:
    """A bound field with a start shape. stretch: float64 [3], on the field's device from the start:
    a copy for every call would wait for all work before it."""

    field: Field
    shape: StartShape
    stretch: Tensor

    @property
    def difference(self) -> float | None:
        """That of the field, where it has one."""
        return getattr(self.field, "difference", None)

    def logits(self, points: Tensor) -> Tensor:
        """See `gof.fields.field.Field.logits`."""
        return self.field.logits(points) + self._head_start(points)

    def radiance(self, points: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        """See `gof.fields.field.Field.radiance`."""
        colours, logits = self.field.radiance(points, directions)
        return colours, logits + self._head_start(points)

    def _head_start(self, points: Tensor) -> Tensor:
        with torch.autocast(points.device.type, enabled=False):
            squeezed = points / self.stretch.to(points.dtype)
            within = self.shape.radius - squeezed.norm(dim=-1)
            start = self.shape.sharpness * within
            return start - self.shape.falloff * within.clamp(max=0) ** 2
