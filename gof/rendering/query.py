"""A field along rays: what the renderer asks, and the plain answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from gof.fields.field import Field
from gof.geometry.cameras import Rays
from gof.rendering.interface import RenderSettings
from gof.rendering.surface import Crossing, secant


@dataclass(frozen=True, slots=True)
class Samples:
    """Logits of samples at t, both [batch, rays, samples]."""

    t: Tensor
    logits: Tensor


class Query(Protocol):
    """A field along the rays of one render. Rays [batch, rays], samples [batch, rays, samples]."""

    def coarse(self, t: Tensor) -> Samples:
        """The coarse pass at t."""
        ...

    def refine(self, crossing: Crossing) -> Tensor:
        """Distance of the surface inside brackets; it means nothing where there is no hit."""
        ...

    def shade(self, t: Tensor, coarse: Samples, known: Tensor) -> tuple[Tensor, Tensor]:
        """Colours [batch, rays, samples, 3] and logits at t, with gradient, given the logits of the
        coarse pass and the rays whose samples lie around a known surface."""
        ...


@dataclass(frozen=True, slots=True)
class Everywhere:
    """Every sample of every ray."""

    field: Field
    rays: Rays
    settings: RenderSettings

    def coarse(self, t: Tensor) -> Samples:
        """See `Query`."""
        return Samples(t, logits_at(self.field, self.rays, t))

    def refine(self, crossing: Crossing) -> Tensor:
        """See `Query`."""

        def value_at(t: Tensor) -> Tensor:
            logits = logits_at(self.field, self.rays, t[..., None])
            return logits.squeeze(-1) - self.settings.level

        return secant(crossing, value_at, self.settings.secant)

    def shade(self, t: Tensor, coarse: Samples, known: Tensor) -> tuple[Tensor, Tensor]:
        """See `Query`."""
        return colours_at(self.field, self.rays, t)


def logits_at(field: Field, rays: Rays, t: Tensor) -> Tensor:
    """Logits of a field at t [batch, rays, samples]."""
    return field.logits(rays.at(t).flatten(1, 2)).reshape(t.shape)


def colours_at(field: Field, rays: Rays, t: Tensor) -> tuple[Tensor, Tensor]:
    """Colours [batch, rays, samples, 3] and logits of a field at t, seen along the rays."""
    points = rays.at(t)
    directions = rays.directions[:, :, None].expand_as(points)
    colours, logits = field.radiance(points.flatten(1, 2), directions.flatten(1, 2))
    return colours.reshape(points.shape), logits.reshape(t.shape)
