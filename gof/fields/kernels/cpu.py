"""The layers of FiLM-SIREN networks.

On a CPU they are evaluated block by block, in buffers that stay in cache, every thread blocks of
its own. Nothing is kept for backward but the inputs: there every block is computed again, next to
its own gradient. So memory does not grow with layers times points, and what backward reads was
written a moment before.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from gof.fields.kernels.sine import sine_, sine_and_slope_

T = TypeVar("T")

BLOCK = 2**18  # units that a thread computes together, points times width: what fits its cache


class Film(NamedTuple):
    """A folded layer, sin(inputs W + b): weight [batch, inputs, width], bias [batch, 1, width]."""

    weight: Tensor
    bias: Tensor


class OutputHeads(NamedTuple):
    """What reads the trunk's features, [1, width], and the colour layer's, [3, width]."""

    occupancy: Tensor
    colour: Tensor


def evaluate(
    points: Tensor, directions: Tensor | None, films: Sequence[Film], heads: OutputHeads
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
        turns = [part / (2 * math.pi) for film in films for part in film]
        read: Tensor = _Blockwise.apply(points, directions, *heads, *turns)
        return read
    parts = []
    for span in _spans(points.shape[1], _together(len(points) * heads.occupancy.shape[1])):
        towards = None if directions is None else directions[:, span]
        parts.append(_plainly(points[:, span], towards, films, heads))
    return torch.cat(parts, 1)


def _together(width: int) -> int:
    """How many points of a width make a block."""
    return max(1, BLOCK // width)


def _spans(count: int, size: int, sharers: int = 1) -> Iterator[slice]:
    """Spans of at most a size that cover `count`, the first as large as any; one, which may be
    empty, or as many for each of those who share them."""
    number = -(-count // size)
    if number > 1:
        number = -(-number // sharers) * sharers
    size = max(1, -(-count // max(1, number)))
    return (slice(start, min(start + size, count)) for start in range(0, max(1, count), size))


def _plainly(
    points: Tensor, directions: Tensor | None, films: Sequence[Film], heads: OutputHeads
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
    """`evaluate` on a CPU, without a gradient of points. The arguments of its sines are turns."""

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
        out = points.new_empty(*points.shape[:2], 1 if directions is None else 4)

        def fill(room: _Room) -> None:
            for images, span in room.blocks:
                h, rows = points[images, span], out[images, span]
                films = _films(flat, images)
                for k, film in enumerate(films if directions is None else films[:-1]):
                    h = sine_(torch.bmm(h, film.weight, out=room.like(h, k % 2)), film.bias)
                torch.matmul(h, occupancy.T, out=rows[..., -1:])
                if directions is not None:
                    c = room.like(h, len(films[1:]) % 2)
                    _joined(directions[images, span], h, films[-1].weight, c)
                    rows[..., :3] = sine_(c, films[-1].bias) @ colour.T

        _on_threads(fill, _rooms(2, points, occupancy.shape[1]))
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        points, directions, *weights = ctx.saved_tensors
        occupancy, colour, *flat = weights
        depth = len(flat) // 2

        def sums_of(room: _Room) -> list[Tensor]:
            sums = [torch.zeros_like(part) for part in weights]
            for images, span in room.blocks:
                x, g = points[images, span], grad[images, span]
                films, into = _films(flat, images), _films(sums[2:], images)
                slopes = [room.like(x, k) for k in range(depth)]
                sines = [room.like(x, depth + k) for k in range(depth)]
                d, e = room.like(x, 2 * depth), room.like(x, 2 * depth + 1)
                inputs, trunk = [x], range(depth if directions is None else depth - 1)
                for k in trunk:
                    torch.bmm(inputs[k], films[k].weight, out=slopes[k])
                    inputs.append(sine_and_slope_(slopes[k], films[k].bias, sines[k]))
                h = inputs.pop()
                across = _flat(g).T.contiguous()  # strided, its products take twice as long
                sums[0].addmm_(across[-1:], _flat(h))
                torch.mul(g[..., -1:], occupancy, out=d)
                if directions is not None:
                    towards = directions[images, span]
                    _joined(towards, h, films[-1].weight, slopes[-1])
                    c = sine_and_slope_(slopes[-1], films[-1].bias, sines[-1])
                    sums[1].addmm_(across[:3], _flat(c))
                    torch.mm(_flat(g)[:, :3], colour, out=_flat(e)).mul_(_flat(slopes[-1]))
                    into[-1].weight[:, :3].baddbmm_(towards.mT, e)
                    into[-1].weight[:, 3:].baddbmm_(h.mT, e)
                    into[-1].bias.add_(e.sum(1, keepdim=True))
                    d.baddbmm_(e, films[-1].weight[:, 3:].mT)
                for k in reversed(trunk):
                    d.mul_(slopes[k])
                    into[k].weight.baddbmm_(inputs[k].mT, d)
                    into[k].bias.add_(d.sum(1, keepdim=True))
                    if k:
                        torch.bmm(d, films[k].weight.mT, out=e)
                        d, e = e, d
            return sums

        parts = _on_threads(sums_of, _rooms(2 * depth + 2, points, occupancy.shape[1]))
        return None, None, *(sum(part[1:], part[0]) for part in zip(*parts, strict=True))


@dataclass(frozen=True, slots=True)
class _Room:
    """What a thread computes block by block: images and which of their points, the first block at
    least as large as any; and buffers for units of that width."""

    blocks: list[tuple[slice, slice]]
    width: int
    buffers: Tensor

    def like(self, x: Tensor, k: int) -> Tensor:
        """Buffer k for the units at the points of x [g, n, inputs]: [g, n, width]."""
        shape = (*x.shape[:2], self.width)
        return self.buffers[k, : math.prod(shape)].view(shape)


def _rooms(buffers: int, points: Tensor, width: int) -> list[_Room]:
    """The blocks of points [batch, count, 3], shared out among as many threads as torch may use:
    a room each, at least one, with at least one block, which may be empty."""
    batch, count = points.shape[:2]
    size, threads = _together(width), torch.get_num_threads()
    images = list(_spans(batch, max(1, size // max(1, count)), threads))
    blocks = [(some, span) for some in images for span in _spans(count, size, threads)]
    first, span = blocks[0]
    units = first.stop * span.stop * width
    threads = min(threads, len(blocks))
    return [
        _Room(blocks[k::threads], width, points.new_empty(buffers, units)) for k in range(threads)
    ]


def _on_threads(work: Callable[[_Room], T], rooms: list[_Room]) -> list[T]:
    """What `work` returns for each room. Every thread goes through all layers on its own: if they
    shared each product, they would wait for each other after it, and again after its sines."""
    if len(rooms) == 1:
        return [work(rooms[0])]
    return list(_pool(len(rooms)).map(torch.no_grad()(work), rooms))


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Threads whose operations take one thread each."""
    return ThreadPoolExecutor(threads, initializer=partial(torch.set_num_threads, 1))


def _films(flat: Sequence[Tensor], images: slice) -> list[Film]:
    """Films of some images, from the weights and biases of all in turn."""
    return [Film(w[images], b[images]) for w, b in zip(flat[::2], flat[1::2], strict=True)]


def _flat(x: Tensor) -> Tensor:
    return x.reshape(-1, x.shape[-1])


def _joined(directions: Tensor, h: Tensor, weight: Tensor, out: Tensor) -> None:
    """Directions and features times the colour layer's weight, into `out`."""
    torch.bmm(directions, weight[:, :3], out=out)
    out.baddbmm_(h, weight[:, 3:])
