"""The surface: the first place along a ray where the field goes from free to occupied."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from gof.fields import Field


@dataclass(frozen=True, slots=True)
class Crossing:
    """A bracket of the first crossing: t and value on both sides, all [batch, rays]; hit says where
    it exists.

    A ray is hit if its first sample is free and some pair of samples goes from free to occupied.
    """

    hit: Tensor
    t_free: Tensor
    t_occupied: Tensor
    value_free: Tensor
    value_occupied: Tensor

    def pick(self, numbers: Tensor) -> Crossing:
        """The crossings of some rays of each image, numbers [batch, k]."""
        return Crossing(*(getattr(self, item.name).gather(1, numbers) for item in fields(self)))


def first_crossing(t: Tensor, values: Tensor) -> Crossing:
    """Bracket of the first pair that goes from values < 0 to values >= 0; t, values: [batch, rays,
    samples]."""
    enters = (values[..., :-1] < 0) & (values[..., 1:] >= 0)
    hit = (values[..., 0] < 0) & enters.any(-1)
    before = enters.to(torch.uint8).argmax(-1, keepdim=True)

    def pick(x: Tensor, index: Tensor) -> Tensor:
        return x.gather(-1, index).squeeze(-1)

    return Crossing(
        hit, pick(t, before), pick(t, before + 1), pick(values, before), pick(values, before + 1)
    )


def secant(crossing: Crossing, value_at: Callable[[Tensor], Tensor], steps: int) -> Tensor:
    """Distance of the surface inside a bracket, by `steps` secant steps that keep the bracket.

    value_at: t [batch, rays] -> values [batch, rays]. Where there is no hit the result means
    nothing.
    """
    t0, t1 = crossing.t_free, crossing.t_occupied
    v0, v1 = crossing.value_free, crossing.value_occupied
    for _ in range(steps):
        t = _between(t0, t1, v0, v1)
        v = value_at(t)
        free = v < 0
        t0, v0 = torch.where(free, t, t0), torch.where(free, v, v0)
        t1, v1 = torch.where(free, t1, t), torch.where(free, v1, v)
    return _between(t0, t1, v0, v1)


def _between(t0: Tensor, t1: Tensor, v0: Tensor, v1: Tensor) -> Tensor:
    """Zero of the line through the bracket's ends; its middle where both values agree."""
    span = v1 - v0
    share = torch.where(span.abs() > 1e-12, -v0 / torch.where(span == 0, 1.0, span), 0.5)
    return t0 + (t1 - t0) * share.clamp(0, 1)


def normals(field: Field, points: Tensor, create_graph: bool = False) -> Tensor:
    """Outward unit normals -grad(logit) / |grad(logit)| at points [batch, n, 3] (GOF section 3.3).

    With `create_graph` the result can be differentiated with respect to the field's weights.
    """
    with torch.enable_grad():
        at = points.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(field.logits(at).sum(), at, create_graph=create_graph)
    return -gradient / gradient.norm(dim=-1, keepdim=True).clamp_min(1e-9)
