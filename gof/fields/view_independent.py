"""Colours that look the same from everywhere, so that shape alone can make views differ."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gof.fields.field import Field


@dataclass(frozen=True, slots=True)
class ViewIndependent:
    """A bound field that is told no direction."""

    field: Field

    @property
    def difference(self) -> float | None:
        """That of the field, where it has one."""
        return getattr(self.field, "difference", None)

    def logits(self, points: Tensor) -> Tensor:
        """See `gof.fields.field.Field.logits`."""
        return self.field.logits(points)

    def radiance(self, points: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        """See `gof.fields.field.Field.radiance`."""
        return self.field.radiance(points, torch.zeros_like(directions))
