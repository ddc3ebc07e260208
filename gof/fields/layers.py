"""The layers of FiLM-SIREN networks.

On a CPU they are evaluated block by block, in buffers that stay in cache. Nothing is kept for
backward but the inputs: there every block is computed again, next to its own gradient. So memory
does not grow with layers times points, and what backward reads was written a moment before.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gof.fields.sine import sine_, sine_and_cosine_

BLOCK = 2**17  # units that a thread computes together, points times width: what fits its cache


class Film(NamedTuple):
    """A folded layer, sin(inputs W + b): weight [batch, inputs, width], bias [batch, 1, width]."""

    weight: Tensor
    bias: Tensor


class Heads(NamedTuple):
    """What reads the trunk's features, [1, width], and the colour layer's, [3, width]."""

    occupancy: Tensor
    colour: Tensor


def evaluate(
    points: Tensor, directions: Tensor | None, films: Sequence[Film], heads: Heads
) -> Tensor:
    """What the heads read at points [batch, n, 3]: [batch, n, 1], the occupancy's; with directions
    [batch, n, 3] the last film is a colour layer, its inputs direction and features, and the result
    is [batch, n, 4], the colour's first.

    Differentiable: any number of times where points require a gradient (normals), else once and not
    with respect to directions.
    """
    if points.device.type != "cpu":
        return _plainly(points, directions, films, heads)
    if not points.requires_grad:
        flat = [part for film in films for part in film]
        read: Tensor = _Blockwise.apply(points, directions, *heads, *flat)
        return read
    parts = []
    for span in _spans(points.shape[1], len(points) * heads.occupancy.shape[1]):
        towards = None if directions is None else directions[:, span]
        parts.append(_plainly(points[:, span], towards, films, heads))
    return torch.cat(parts, 1)


def _spans(count: int, width: int) -> Iterator[slice]:
    """Blocks of `count` points; at least one, which may be empty."""
    size = max(1, BLOCK * torch.get_num_threads() // width)
    return (slice(start, min(start + size, count)) for start in range(0, max(1, count), size))


def _plainly(
    points: Tensor, directions: Tensor | None, films: Sequence[Film], heads: Heads
) -> Tensor:
    h = points
    for film in films if directions is None else films[:-1]:
        h = _sine(torch.baddbmm(film.bias, h, film.weight))
    read = h @ heads.occupancy.mT
    if directions is None:
        return read
    towards = torch.cat([directions, h], -1)
    c = _sine(torch.baddbmm(films[-1].bias, towards, films[-1].weight))
    return torch.cat([c @ heads.colour.mT, read], -1)


def _sine(x: Tensor) -> Tensor:
    # Backward needs the argument; without gradient it is overwritten.
    return x.sin() if x.requires_grad else x.sin_()


class _Blockwise(torch.autograd.Function):
    """`evaluate` on a CPU, without a gradient of points."""

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
        width = occupancy.shape[1]
        out = points.new_empty(*points.shape[:2], 1 if directions is None else 4)
        spans = list(_spans(points.shape[1], width))
        room = points.new_empty(2, spans[0].stop, width)
        for image, films in enumerate(_in_turns(flat)):
            trunk = films if directions is None else films[:-1]
            for span in spans:
                h, rows = points[image, span], out[image, span]
                for k, (weight, bias) in enumerate(trunk):
                    h = sine_(torch.mm(h, weight, out=room[k % 2, : len(h)]), bias)
                rows[:, -1] = h @ occupancy[0]
                if directions is not None:
                    c = room[len(trunk) % 2, : len(h)]
                    _joined(directions[image, span], h, films[-1].weight, c)
                    rows[:, :3] = sine_(c, films[-1].bias) @ colour.T
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        points, directions, occupancy, colour, *flat = ctx.saved_tensors
        width, layers = occupancy.shape[1], len(flat) // 2
        sums = [torch.zeros_like(part) for part in (occupancy, colour, *flat)]
        spans = list(_spans(points.shape[1], width))
        sines, slopes = points.new_empty(2, layers, spans[0].stop, width)
        room = points.new_empty(2, spans[0].stop, width)
        each = zip(_by_image(flat), _in_turns(flat), _by_image(sums[2:]), strict=True)
        for image, (films, turns, into) in enumerate(each):
            trunk = films if directions is None else films[:-1]
            for span in spans:
                x, g = points[image, span], grad[image, span]
                n = len(x)
                inputs = [x]
                for k, turn in enumerate(turns[: len(trunk)]):
                    torch.mm(inputs[-1], turn.weight, out=slopes[k, :n])
                    inputs.append(sine_and_cosine_(slopes[k, :n], turn.bias, sines[k, :n]))
                sums[0].addmm_(g[:, -1:].T, inputs[-1])
                d = torch.mul(g[:, -1:], occupancy, out=room[0, :n])
                if directions is not None:
                    towards, slope = directions[image, span], slopes[-1, :n]
                    _joined(towards, inputs[-1], turns[-1].weight, slope)
                    c = sine_and_cosine_(slope, turns[-1].bias, sines[-1, :n])
                    sums[1].addmm_(g[:, :3].T, c)
                    e = torch.mm(g[:, :3], colour, out=room[1, :n]).mul_(slope)
                    into[-1].weight[:3].addmm_(towards.T, e)
                    into[-1].weight[3:].addmm_(inputs[-1].T, e)
                    into[-1].bias.add_(e.sum(0))
                    d.addmm_(e, films[-1].weight[3:].T)
                for k in reversed(range(len(trunk))):
                    d.mul_(slopes[k, :n])
                    into[k].weight.addmm_(inputs[k].T, d)
                    into[k].bias.add_(d.sum(0))
                    if k:
                        other = room[(len(trunk) - k) % 2, :n]
                        d = torch.mm(d, trunk[k].weight.T, out=other)
        return None, None, *sums


def _by_image(flat: Sequence[Tensor]) -> list[list[Film]]:
    """Films of each image of the batch, from their weights and biases in turn."""
    films = [Film(*pair) for pair in zip(flat[::2], flat[1::2], strict=True)]
    return [[Film(w[i], b[i, 0]) for w, b in films] for i in range(len(flat[0]))]


def _in_turns(flat: Sequence[Tensor]) -> list[list[Film]]:
    """`_by_image`, their arguments divided by 2 pi."""
    return _by_image([part.detach() / (2 * math.pi) for part in flat])


def _joined(directions: Tensor, h: Tensor, weight: Tensor, out: Tensor) -> None:
    """Directions and features times the colour layer's weight, into `out`."""
    torch.mm(directions, weight[:3], out=out)
    out.addmm_(h, weight[3:])
