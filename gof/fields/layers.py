"""The layers of FiLM-SIREN networks on a CPU: block by block, in buffers that stay in cache.

Nothing is kept for backward but the inputs: there every block is computed again, next to its own
gradient. So memory does not grow with layers times points, and what backward reads was written a
moment before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

BLOCK = 1024  # points that pass all layers together

Weights = tuple[
    Tensor, Tensor
]  # of a folded layer: [batch, inputs, width] and bias [batch, 1, width]


@dataclass(frozen=True, slots=True)
class Heads:
    """What reads the trunk's features, [1, width], and the colour layer's, [3, width]."""

    occupancy: Tensor
    colour: Tensor


def evaluate(
    points: Tensor, directions: Tensor | None, films: list[Weights], heads: Heads
) -> Tensor:
    """What the heads read at points [batch, n, 3]: [batch, n, 1], the occupancy's; with directions
    [batch, n, 3] a colour layer follows the trunk, its inputs direction and features, and the
    result is [batch, n, 4], the colour's first.

    Can be differentiated once with respect to films and heads; points and directions get no
    gradient.
    """
    flat = [part for film in films for part in film]
    out: Tensor = _Evaluate.apply(points, directions, heads.occupancy, heads.colour, *flat)
    return out


def _spans(count: int) -> Iterator[slice]:
    return (slice(start, min(start + BLOCK, count)) for start in range(0, count, BLOCK))


class _Evaluate(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        points: Tensor,
        directions: Tensor | None,
        occupancy: Tensor,
        colour: Tensor,
        *flat: Tensor,
    ) -> Tensor:
        ctx.save_for_backward(points, directions, occupancy, colour, *flat)
        batch, count = points.shape[:2]
        out = points.new_empty(batch, count, 1 if directions is None else 4)
        room = points.new_empty(2, BLOCK, occupancy.shape[1])
        for image in range(batch):
            films = [(w[image], b[image]) for w, b in zip(flat[::2], flat[1::2], strict=True)]
            trunk = films if directions is None else films[:-1]
            for span in _spans(count):
                h, rows = points[image, span], out[image, span]
                for k, (weight, bias) in enumerate(trunk):
                    h = torch.addmm(bias, h, weight, out=room[k % 2, : len(h)]).sin_()
                rows[:, -1] = h @ occupancy[0]
                if directions is not None:
                    weight, bias = films[-1]
                    c = room[len(trunk) % 2, : len(h)]
                    torch.addmm(bias, directions[image, span], weight[:3], out=c)
                    c.addmm_(h, weight[3:]).sin_()
                    rows[:, :3] = c @ colour.T
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        points, directions, occupancy, colour, *flat = ctx.saved_tensors
        count, width = points.shape[1], occupancy.shape[1]
        sums = [torch.zeros_like(part) for part in (occupancy, colour, *flat)]
        layers = len(flat) // 2
        sines, slopes = points.new_empty(2, layers, BLOCK, width)
        room = points.new_empty(2, BLOCK, width)
        for image in range(len(points)):
            films = [(w[image], b[image]) for w, b in zip(flat[::2], flat[1::2], strict=True)]
            into = [(w[image], b[image]) for w, b in zip(sums[2::2], sums[3::2], strict=True)]
            trunk = layers if directions is None else layers - 1
            for span in _spans(count):
                x, g = points[image, span], grad[image, span]
                n = len(x)
                inputs = [x]
                for k, (weight, bias) in enumerate(films[:trunk]):
                    a, h = slopes[k, :n], sines[k, :n]
                    torch.addmm(bias, inputs[-1], weight, out=a)
                    inputs.append(torch.sin(a, out=h))
                    a.cos_()
                h, d = inputs[-1], room[0, :n]
                torch.mul(g[:, -1:], occupancy, out=d)
                sums[0].addmm_(g[:, -1:].T, h)
                if directions is not None:
                    (weight, bias), (to_weight, to_bias) = films[-1], into[-1]
                    towards = directions[image, span]
                    a, c, e = slopes[-1, :n], sines[-1, :n], room[1, :n]
                    torch.addmm(bias, towards, weight[:3], out=a)
                    torch.sin(a.addmm_(h, weight[3:]), out=c)
                    sums[1].addmm_(g[:, :3].T, c)
                    torch.mm(g[:, :3], colour, out=e).mul_(a.cos_())
                    to_weight[:3].addmm_(towards.T, e)
                    to_weight[3:].addmm_(h.T, e)
                    to_bias += e.sum(0)
                    d.addmm_(e, weight[3:].T)
                for k in reversed(range(trunk)):
                    d.mul_(slopes[k, :n])
                    into[k][0].addmm_(inputs[k].T, d)
                    into[k][1].add_(d.sum(0))
                    if k:
                        d = torch.mm(d, films[k][0].T, out=room[(trunk - k) % 2, :n])
        return None, None, *sums
