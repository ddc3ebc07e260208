"""What fills space. A bound field has two methods and knows no camera."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Field(Protocol):
    """What renderer, mesher and metrics see of a shape: one field an image of the batch.

    A field whose logits have no second derivative says by an attribute `difference`, camera radii,
    over which distance their slope is taken instead (`gof.rendering.surface.normals`).
    """

    def logits(self, points: Tensor) -> Tensor:
        """Occupancy logits at points [batch, n, 3] -> [batch, n]; positive means occupied. A
        radiance field's density, which is never called a logit, is
        `gof.rendering.composite.density` of them."""
        ...

    def radiance(self, points: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        """Colour [batch, n, 3] in [-1, 1] and logits [batch, n], seen along unit directions."""
        ...
