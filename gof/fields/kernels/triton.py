# mypy: disable-error-code="untyped-decorator"
"""The two Triton kernels of `gof.fields.kernels.fused`, which says how they fit together.

Imports Triton: only where `gof.fields.kernels.fused.available`. Phases are in half turns.
"""

from __future__ import annotations

import triton
import triton.language as tl

# Added to a phase it leaves no bits for a fraction: rounds to nearest, parity in the lowest bit.
ROUND: tl.constexpr = tl.constexpr(1.5 * 2**23)


@triton.jit
def _fold(phase: tl.tensor) -> tl.tuple:
    """What is left of a phase below 2^22 when its half turns are taken away, in [-1/2, 1/2], and
    whether they are odd, as the sign bit of a number."""
    shifted = phase + ROUND
    return phase - (shifted - ROUND), shifted.to(tl.int32, bitcast=True) << 31


@triton.jit
def _turned(value: tl.tensor, sign: tl.tensor) -> tl.tensor:
    """value, its sign changed where sign says so."""
    return (value.to(tl.int32, bitcast=True) ^ sign).to(tl.float32, bitcast=True)


@triton.jit
def _sine(phase: tl.tensor) -> tl.tensor:
    """sin(pi phase) within 6e-7: a minimax polynomial on half a turn."""
    r, sign = _fold(phase)
    s = r * r
    return _turned(r * (3.14158202 + s * (-5.1671428 + s * (2.54189903 + s * -0.5546362))), sign)


@triton.jit
def _slope(phase: tl.tensor) -> tl.tensor:
    """pi cos(pi phase), the slope of `_sine`, within 2e-7."""
    r, sign = _fold(phase)
    s = r * r
    high = 12.7498771 + s * (-4.18422499 + s * 0.69019785)
    return _turned(3.14159251 + s * (-15.503109 + s * high), sign)


@triton.jit
def _vectors(pointer: tl.tensor, at: tl.tensor, inside: tl.tensor) -> tl.tuple:
    """The coordinates of vectors [..., 3]."""
    x = tl.load(pointer + at * 3, inside, 0.0)
    y = tl.load(pointer + at * 3 + 1, inside, 0.0)
    return x, y, tl.load(pointer + at * 3 + 2, inside, 0.0)


@triton.jit
def _outer(
    net: tl.tuple, which: tl.tensor, to: tl.tensor, vectors: tl.tuple, shape: tl.constexpr
) -> tl.tensor:
    """What coordinates add to phases of `part` outputs from `to` on: in float32, for products of
    the size of the scene do not bear shorter formats."""
    row = which * tl.num_programs(1) + tl.program_id(1)
    weights = net.outer + row * 3 * shape.width + to + tl.arange(0, shape.part)
    total = vectors[0][:, None] * tl.load(weights)[None]
    total += vectors[1][:, None] * tl.load(weights + shape.width)[None]
    return total + vectors[2][:, None] * tl.load(weights + 2 * shape.width)[None]


@triton.jit
def _bias(net: tl.tuple, layer: tl.tensor, to: tl.tensor, shape: tl.constexpr) -> tl.tensor:
    """Biases of `part` outputs of a layer, from `to` on."""
    row = layer * tl.num_programs(1) + tl.program_id(1)
    return tl.load(net.biases + row * shape.width + to + tl.arange(0, shape.part))[None]


@triton.jit
def _read(
    s: tl.tensor, net: tl.tuple, channel: tl.tensor, to: tl.tensor, shape: tl.constexpr
) -> tl.tensor:
    """What a head reads from `part` features, in its channel of [tile, 4]."""
    head = tl.load(net.heads + channel * shape.width + to + tl.arange(0, shape.part))
    total = tl.sum(s.to(tl.float32) * head[None], 1)
    return tl.where(tl.arange(0, 4)[None] == channel, total[:, None], 0.0)


@triton.jit
def _spots(layer: tl.tensor, to: tl.tensor, count: tl.tensor, shape: tl.constexpr) -> tl.tuple:
    """Where `part` columns from `to` on of this program's points lie in a trace: a place, places
    [tile, part] from there, and whether they exist."""
    row = layer * tl.num_programs(1) + tl.program_id(1)
    first = tl.program_id(0) * shape.tile
    rows = tl.arange(0, shape.tile)[:, None]
    place = (row.to(tl.int64) * count + first) * shape.width + to
    return place, rows * shape.width + tl.arange(0, shape.part)[None], first + rows < count


@triton.jit
def _wave(
    phase: tl.tensor,
    trace: tl.tuple,
    layer: tl.tensor,
    to: tl.tensor,
    count: tl.tensor,
    shape: tl.constexpr,
) -> tl.tensor:
    """Sines of phases of `part` outputs of a layer; where asked for, the trace keeps them."""
    if shape.kept:
        place, spots, inside = _spots(layer, to, count, shape)
        kind: tl.constexpr = trace.sines.dtype.element_ty
        tl.store(trace.slopes + place + spots, _slope(phase).to(kind), inside)
        tl.store(trace.sines + place + spots, _sine(phase).to(kind), inside)
    return _sine(phase)


@triton.jit
def _product(
    h: tl.tuple, weights: tl.tensor, down: tl.constexpr, across: tl.constexpr, shape: tl.constexpr
) -> tl.tensor:
    """The two halves of h (the first alone where there is but one part) times [width, part]
    weights, whose first column's first element `weights` points at, and float32 sums."""
    PART: tl.constexpr = shape.part
    some = tl.arange(0, PART)
    at = weights + some[:, None] * down + some[None] * across
    total = tl.dot(h[0], tl.load(at), input_precision="tf32")
    if shape.width > PART:
        w = tl.load(at + PART * down)
        total = tl.dot(h[1], w, total, input_precision="tf32")
    return total


@triton.jit
def _phase(
    h: tl.tuple, net: tl.tuple, layer: tl.tensor, to: tl.tensor, shape: tl.constexpr
) -> tl.tensor:
    """h W + b: phases of `part` outputs of a layer after the first, from output `to` on."""
    row = (layer - 1) * tl.num_programs(1) + tl.program_id(1)
    weights = net.hidden + (row.to(tl.int64) * shape.width + to) * shape.width
    return _product(h, weights, 1, shape.width, shape) + _bias(net, layer, to, shape)


@triton.jit
def _next(
    h: tl.tuple, before: tl.tensor, s: tl.tensor, step: tl.tensor, shape: tl.constexpr
) -> tl.tuple:
    """h and before, one step on: h changes when all parts of a layer, of which s is the latest,
    are there."""
    if shape.width == shape.part:
        return (s, s), s
    whole = step % 2 == 1
    return (tl.where(whole, before, h[0]), tl.where(whole, s, h[1])), s


@triton.jit
def _tile(count: tl.tensor, shape: tl.constexpr) -> tl.tuple:
    """This program's points: their numbers in the batch, and whether they exist."""
    rows = tl.program_id(0) * shape.tile + tl.arange(0, shape.tile)
    return tl.program_id(1) * count + rows, rows < count


@triton.jit(do_not_specialize=["count"])
def forward(
    vectors: tl.tuple,
    net: tl.tuple,
    out: tl.tensor,
    trace: tl.tuple,
    count: tl.tensor,
    shape: tl.constexpr,
) -> None:
    """What the heads read at a tile of an image: out [batch, count, 1], with colour [batch, count,
    4]. vectors: points and directions [batch, count, 3]. Grid (tiles, batch)."""
    TILE: tl.constexpr = shape.tile
    PART: tl.constexpr = shape.part
    PARTS: tl.constexpr = shape.parts
    kind: tl.constexpr = net.hidden.dtype.element_ty
    at, inside = _tile(count, shape)
    channels = tl.arange(0, 4)[None]

    zeros = tl.zeros((TILE, PART), kind)
    h, before = (zeros, zeros), zeros
    read = tl.zeros((TILE, 4), tl.float32)
    xyz = _vectors(vectors[0], at, inside)
    for step in tl.static_range(PARTS):
        to = step * PART
        seen = _outer(net, 0, to, xyz, shape) + _bias(net, 0, to, shape)
        s = _wave(seen, trace, 0, to, count, shape).to(kind)
        h, before = _next(h, before, s, step, shape)
    for step in tl.range(PARTS, shape.trunk * PARTS, num_stages=shape.ahead):
        layer, to = step // PARTS, step % PARTS * PART
        s = _wave(_phase(h, net, layer, to, shape), trace, layer, to, count, shape).to(kind)
        h, before = _next(h, before, s, step, shape)
    for step in tl.static_range(PARTS):
        read += _read(h[step], net, 3, step * PART, shape)
    if shape.colour:
        towards = _vectors(vectors[1], at, inside)
        for step in tl.range(PARTS, num_stages=shape.ahead):
            to = step * PART
            phase = _outer(net, 1, to, towards, shape) + _phase(h, net, shape.trunk, to, shape)
            c = _wave(phase, trace, shape.trunk, to, count, shape)
            for k in tl.static_range(3):
                read += _read(c, net, k, to, shape)
    unused = 4 - shape.reads
    into = out + at[:, None] * shape.reads + channels - unused
    tl.store(into, read, inside[:, None] & (channels >= unused))


@triton.jit(do_not_specialize=["count"])
def backward(
    grad: tl.tensor, net: tl.tuple, slopes: tl.tensor, count: tl.tensor, shape: tl.constexpr
) -> None:
    """Overwrite slopes [layers, batch, count, width] by the gradients of the phases, given those of
    what the heads read, as `forward` returns it. Grid (tiles, batch)."""
    TILE: tl.constexpr = shape.tile
    PART: tl.constexpr = shape.part
    PARTS: tl.constexpr = shape.parts
    WIDTH: tl.constexpr = shape.width
    FIRST: tl.constexpr = 4 - shape.reads  # of the heads' channels
    TOP: tl.constexpr = 4 - shape.colour  # behind those that read the last layer
    kind: tl.constexpr = net.hidden.dtype.element_ty
    at, inside = _tile(count, shape)
    some, image, batch = tl.arange(0, PART), tl.program_id(1), tl.num_programs(1)
    grad += at * shape.reads
    below = tl.load(grad + shape.reads - 1, inside, 0.0)[:, None]  # joins under the colour layer

    zeros = tl.zeros((TILE, PART), kind)
    e, before = (zeros, zeros), zeros
    for step in tl.static_range(PARTS):
        to = step * PART
        top = tl.zeros((TILE, PART), tl.float32)
        for k in tl.static_range(FIRST, TOP):
            g = tl.load(grad + k - FIRST, inside, 0.0)
            top += g[:, None] * tl.load(net.heads + k * WIDTH + to + some)[None]
        place, spots, exists = _spots(shape.layers - 1, to, count, shape)
        first = (top * tl.load(slopes + place + spots, exists, 0.0)).to(kind)
        tl.store(slopes + place + spots, first, exists)
        e, before = _next(e, before, first, step, shape)
    for step in tl.range((shape.layers - 1) * PARTS, num_stages=shape.ahead):
        layer, to = shape.layers - 2 - step // PARTS, step % PARTS * PART
        place, spots, exists = _spots(layer, to, count, shape)
        slope = tl.load(slopes + place + spots, exists, 0.0)
        weights = net.hidden + (layer * batch + image).to(tl.int64) * WIDTH * WIDTH
        d = _product(e, weights + to, WIDTH, 1, shape)
        if shape.colour:
            joins = tl.where(step < PARTS, below, 0.0)
            d += joins * tl.load(net.heads + 3 * WIDTH + to + some)[None]
        part = (d * slope).to(kind)
        tl.store(slopes + place + spots, part, exists)
        e, before = _next(e, before, part, step, shape)
