"""The layers of FiLM-SIREN networks on a GPU: all of them in one kernel, see `fused_kernels`.

A program takes a tile of 128 points of one image through all layers. Their features stay on the
multiprocessor, as operands of the next product: float16, between -1 and 1. Weights stream past from
the second-level cache, 64 kB a step (128 outputs of a layer), fetched one step ahead. Sums, phases,
sines, the first layer and the heads are float32. float16 has tf32's mantissa at twice its rate, and
folded weights, in half turns some 0.05 at the start, are far from the ends of its range.

A layer costs 2 width^2 operations and width sines a point, each some 19 instructions with all that
belongs to it (counted in the program for sm_90); the points cost 16 to 40 bytes each in all, and a
tile reads 2 width^2 bytes of weights a layer: 128 operations a byte of the second-level cache. At
width 256 one program fills a multiprocessor's registers and shared memory (197 of 227 kB), so that
products wait while its sines are computed: by that count 45 % of the products' peak is the most to
expect. It has not been timed. Smaller widths are limited by the sines.

Backward takes `ROOM` points at a time: the kernel runs again and leaves the sines and slopes of all
layers in memory (4 width bytes a point and layer: 0.6 GB at 9 x 256), a second kernel turns slopes
into gradients of phases, tile by tile, and products over all points sum the gradients of weights.
So memory does not grow with points, and no sum depends on the order in which programs end. It costs
four products a layer where three are the least.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from gof.fields.kernels import cpu as layers
from gof.fields.kernels.cpu import Film, OutputHeads
from gof.run.files import say

WIDTHS = (16, 32, 64, 128, 256)
ROOM = 2**16  # points whose layers are in memory at a time
PART = 128  # outputs of a layer that are computed together; at most two parts make a layer
PROVEN = 0.01  # relative error up to which the kernels are taken to work
AHEAD_NEEDS = 160_000  # bytes of shared memory, for weights to be fetched a step ahead


@dataclass(frozen=True, slots=True)
class Tiling:
    """What a kernel is compiled for: layers of `width`, the last of them the colour layer where
    `colour`; `tile` points a program; a step computes `part` outputs of a layer, `ahead` - 1 steps
    after their weights were asked for; whether the trace is `kept`."""

    layers: int
    width: int
    tile: int
    part: int
    ahead: int
    colour: bool
    kept: bool = False

    @property
    def parts(self) -> int:
        """Steps a layer."""
        return self.width // self.part

    @property
    def trunk(self) -> int:
        """Layers up to the features."""
        return self.layers - self.colour

    @property
    def reads(self) -> int:
        """Numbers that the heads read at a point."""
        return 4 if self.colour else 1


class Network(NamedTuple):
    """Folded weights, in half turns: outer [1 or 2, batch, 3, width], what reads points and
    directions; biases [layers, batch, width]; hidden [layers - 1, batch, outputs, inputs], operands
    of the products; heads [4, width], the colour's first."""

    outer: Tensor
    biases: Tensor
    hidden: Tensor
    heads: Tensor


class Trace(NamedTuple):
    """Sines of all layers and their slopes by the phase, both [layers, batch, count, width]."""

    sines: Tensor
    slopes: Tensor


Vectors = tuple[Tensor, Tensor | None]  # points and directions, [batch, count, 3]


def available(points: Tensor, films: Sequence[Film]) -> bool:
    """Whether `evaluate` serves: float32 points that need no gradient, on a GPU of capability 8 or
    later; more than one layer, of a width in `WIDTHS`; and Triton, which comes with torch there."""
    if not points.is_cuda or points.requires_grad or points.dtype != torch.float32:
        return False
    if len(films) < 2 or films[0].bias.shape[-1] not in WIDTHS:
        return False
    modern = torch.cuda.get_device_capability(points.device) >= (8, 0)
    if not modern or importlib.util.find_spec("triton") is None:
        return False
    return proven(points.device, films[0].bias.shape[-1])


@cache
def proven(device: torch.device, width: int) -> bool:
    """Whether the kernels, compiled for this device by its driver, agree with `layers.evaluate`,
    values and the gradients of all weights; asked once a process. Says so where they do not."""
    draw = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=draw).to(device)

    points, directions = normal(2, 200, 3), normal(2, 200, 3)
    inputs = (3, width, width + 3)
    films = [Film(normal(2, n, width) / n**0.5, normal(2, 1, width)) for n in inputs]
    heads = OutputHeads(normal(1, width) / width, normal(3, width) / width)
    learnt = [each.requires_grad_() for part in (*films, heads) for each in part]
    found = []
    try:
        for way in (evaluate, layers.evaluate):
            with torch.enable_grad():
                out = way(points, directions, films, heads)
                gradients = torch.autograd.grad(out.square().sum(), learnt)
            found.append((out.detach(), *gradients))
    except Exception as error:  # whatever a compiler, a driver or a launch may say
        reason = " ".join(str(error).split())[:160] or type(error).__name__
    else:
        apart = [float((a - b).norm() / b.norm()) for a, b in zip(*found, strict=True)]
        if max(apart) < PROVEN:
            return True
        reason = f"it is off by {max(apart):.1g}"
    say(
        f"warning: the fused kernel does not work on {device} ({reason}): the plain layers are used"
    )
    return False


def evaluate(
    points: Tensor,
    directions: Tensor | None,
    films: Sequence[Film],
    heads: OutputHeads,
    precision: torch.dtype = torch.float16,
) -> Tensor:
    """`gof.fields.kernels.cpu.evaluate` on a GPU. Operands of the products of hidden layers are
    rounded to `precision`; float32 stands for tf32.

    Can be differentiated once with respect to films and heads; points and directions get no
    gradient.
    """
    width = heads.occupancy.shape[1]
    edges = films[:1] if directions is None else [films[0], films[-1]]
    net = Network(
        outer=torch.stack([weight[:, :3] for weight, _ in edges]) / math.pi,
        biases=torch.stack([bias[:, 0] for _, bias in films]) / math.pi,
        hidden=torch.stack([weight[:, -width:].mT for weight, _ in films[1:]]) / math.pi,
        heads=torch.cat([heads.colour, heads.occupancy]),
    )
    out: Tensor = _Evaluate.apply(points, directions, precision, *net)
    return out


class _Evaluate(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        points: Tensor,
        directions: Tensor | None,
        precision: torch.dtype,
        *weights: Tensor,
    ) -> Tensor:
        net = Network(*(part.contiguous() for part in weights))
        net = net._replace(hidden=net.hidden.to(precision))
        ctx.save_for_backward(points, directions, *net)
        return _forward((points, directions), net)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        points, directions, *weights = ctx.saved_tensors
        net = Network(*weights)
        # Gradients may be too small for float16: they are scaled to the largest, on the device.
        largest = grad.abs().amax() if grad.numel() else grad.new_ones(())
        unit = largest * net.heads.abs().amax().clamp_min(1e-3)
        unit = unit.clamp_min(torch.finfo(torch.float32).tiny)
        sums = [torch.zeros_like(part, dtype=torch.float32) for part in net]
        span = max(1, ROOM // len(points))
        for start in range(0, points.shape[1], span):
            some = slice(start, start + span)
            vectors = points[:, some], None if directions is None else directions[:, some]
            found = _gradients(vectors, grad[:, some] / unit, net)
            for total, part in zip(sums, found, strict=True):
                total += part
        return None, None, None, *(total * unit for total in sums)


def _shape(vectors: Vectors, net: Network, kept: bool) -> Tiling:
    layers, _, width = net.biases.shape
    device, long = net.biases.device, net.hidden.dtype == torch.float32
    roomy = True
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        roomy = properties.shared_memory_per_multiprocessor >= AHEAD_NEEDS
    tile, ahead = (64, 1) if long else (128, 2 if roomy else 1)
    return Tiling(layers, width, tile, min(width, PART), ahead, vectors[1] is not None, kept)


def _launch(kernel: Any, count: int, shape: Tiling, arguments: tuple[Any, ...]) -> None:
    """Run a kernel over all tiles of all images, each of count points. arguments: the kernel's
    before count and shape, of which the second is the network."""
    biases = arguments[1].biases
    grid = (-(-count // shape.tile), biases.shape[1])
    with torch.cuda.device_of(biases):
        kernel[grid](*arguments, count, shape, num_warps=8 if shape.width >= 64 else 4)


def _forward(vectors: Vectors, net: Network, trace: Trace | None = None) -> Tensor:
    """What the heads read, [batch, count, 1 or 4]."""
    from gof.fields.kernels import triton as fused_kernels

    points, directions = vectors
    shape = _shape(vectors, net, trace is not None)
    batch, count = points.shape[:2]
    out = points.new_empty(batch, count, shape.reads)
    vectors = points.contiguous(), None if directions is None else directions.contiguous()
    _launch(fused_kernels.forward, count, shape, (vectors, net, out, trace))
    return out


def _gradients(vectors: Vectors, grad: Tensor, net: Network) -> tuple[Tensor, ...]:
    """Gradients of the network's parts, in float32, from that of what the heads read."""
    from gof.fields.kernels import triton as fused_kernels

    shape = _shape(vectors, net, kept=False)
    layers, (batch, count) = shape.layers, grad.shape[:2]
    trace = Trace(*net.hidden.new_empty(2, layers, batch, count, shape.width))
    _forward(vectors, net, trace)
    _launch(fused_kernels.backward, count, shape, (grad.contiguous(), net, trace.slopes))
    sines, phases = trace.sines, trace.slopes  # the kernel has put the phases' gradients there
    hidden = _sums(phases[1:], sines[:-1])
    # Whatever else a point brings meets all layers in one product: 1, the vectors, the gradient.
    given = [part for part in vectors if part is not None]
    side = torch.cat([torch.ones_like(grad[..., :1]), *given, grad], -1)
    side = F.pad(side, (0, 16 - side.shape[-1])).to(phases.dtype).expand(layers, -1, -1, -1)
    to_phases = _sums(side, phases)
    ends = [to_phases[0, :, 1:4], to_phases[-1, :, 4:7]]
    last = 4 if vectors[1] is None else 7
    features = _sums(side[:1], sines[shape.trunk - 1 : shape.trunk])[0].sum(0)
    heads = torch.zeros_like(net.heads)
    heads[3] = features[last + shape.reads - 1]
    if shape.colour:
        heads[:3] = _sums(side[:1], sines[-1:])[0].sum(0)[last : last + 3]
    return torch.stack(ends[: len(net.outer)]), to_phases[:, :, 0], hidden, heads


def _sums(a: Tensor, b: Tensor) -> Tensor:
    """a^T b, summed over points in float32: [layers, batch, count, m], [layers, batch, count, n] to
    [layers, batch, m, n]."""
    x, y = a.flatten(0, 1).mT, b.flatten(0, 1)
    if x.is_cuda and x.dtype != torch.float32:
        product = torch.bmm(x, y, out_dtype=torch.float32)
    else:
        product = torch.bmm(x.float(), y.float())
    return product.unflatten(0, a.shape[:2])
