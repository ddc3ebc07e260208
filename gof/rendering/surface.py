"""The surface: the first place along a ray where the field goes from free to occupied."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gof.fields.field import Field


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

    def estimate(self) -> Tensor:
        """Zero of the line through the bracket's ends; its middle where both values agree."""
        span = self.value_occupied - self.value_free
        even = span.abs() <= 1e-12
        share = torch.where(even, 0.5, -self.value_free / torch.where(even, 1.0, span))
        return self.t_free + (self.t_occupied - self.t_free) * share.clamp(0, 1)

    def narrowed(self, t: Tensor, value: Tensor) -> Crossing:
        """The bracket with the end exchanged on whose side t, with this value, lies."""
        free = value < 0
        return Crossing(
            self.hit,
            torch.where(free, t, self.t_free),
            torch.where(free, self.t_occupied, t),
            torch.where(free, value, self.value_free),
            torch.where(free, self.value_occupied, value),
        )


def first_crossing(t: Tensor, values: Tensor) -> Crossing:
    """Bracket of the first pair that goes from values < 0 to values >= 0; t, values: [batch, rays,
    samples]."""
    if t.shape[-1] == 1:  # no pair
        at, value = t.squeeze(-1), values.squeeze(-1)
        return Crossing(torch.zeros_like(at, dtype=torch.bool), at, at, value, value)
    enters = (values[..., :-1] < 0) & (values[..., 1:] >= 0)
    hit = (values[..., 0] < 0) & enters.any(-1)
    before = enters.to(torch.uint8).argmax(-1, keepdim=True)

    def pick(x: Tensor, index: Tensor) -> Tensor:
        return x.gather(-1, index).squeeze(-1)

    return Crossing(
        hit, pick(t, before), pick(t, before + 1), pick(values, before), pick(values, before + 1)
    )


def secant(crossing: Crossing, value_at: Callable[[Tensor], Tensor], steps: int) -> Tensor:
    """Distance of the surface inside a bracket, by secant steps that keep the bracket.

    value_at: t [batch, rays] -> values. Where there is no hit the result means nothing.
    """
    root = crossing.estimate()
    for _ in range(steps):
        crossing = crossing.narrowed(root, value_at(root))
        root = crossing.estimate()
    return root


def normals(field: Field, points: Tensor, create_graph: bool = False) -> Tensor:
    """Outward unit normals -grad(logit) / |grad(logit)| at points [batch, n, 3] (GOF section 3.3).

    With `create_graph` the result can be differentiated with respect to the field's weights. The
    gradient is that of central differences where the field asks for them (see `Field`).
    """
    if step := getattr(field, "difference", None):
        with torch.set_grad_enabled(create_graph):
            gradient = _differences(field, points.detach(), step)
    else:
        with torch.enable_grad():
            at = points.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(field.logits(at).sum(), at, create_graph=create_graph)
    return -gradient / gradient.norm(dim=-1, keepdim=True).clamp_min(1e-9)


def _differences(field: Field, points: Tensor, step: float) -> Tensor:
    """Central differences of the logits over 2 * step along each axis: [batch, n, 3]."""
    steps = step * torch.eye(3, dtype=points.dtype, device=points.device)
    around = points[:, :, None] + torch.cat([steps, -steps])  # [batch, n, 6, 3]
    ahead, behind = field.logits(around.flatten(1, 2)).unflatten(1, (-1, 6)).chunk(2, -1)
    return (ahead - behind) / (2 * step)
