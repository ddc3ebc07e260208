"""Sines of a layer's arguments on a CPU, in one pass: sin(2 pi (x + bias)), x and bias in turns.

At width 64 torch's bias, sine and cosine take as long as the matrix products around them. Here they
are one pass over a block that lies in cache, on the thread that calls. An argument in turns loses
its whole part exactly; the rest is folded onto a quarter, where five terms of an odd polynomial are
nearer to the sine than float32 rounds. In all the result is within 3e-7.
"""

from __future__ import annotations

import math
from functools import partial

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# sin(2 pi z) for |z| <= 1/4, of z, z^3, ..., z^9: the largest error is the least possible.
C1, C3, C5, C7, C9 = np.array([6.283185, -41.341656, 81.601006, -76.54978, 39.536705], np.float32)
QUARTER, TURN = np.float32(0.25), np.float32(2 * math.pi)
ROUND = np.float32(1.5 * 2**23)  # added and taken away again leaves the nearest whole number

Floats = NDArray[np.float32]


def sine_(x: Tensor, bias: Tensor) -> Tensor:
    """x [batch, n, width] becomes sin(2 pi (x + bias)), bias [batch, 1, width]."""
    if x.dtype != torch.float32:
        return x.add_(bias).mul_(2 * math.pi).sin_()
    _sines(x.numpy(), bias.numpy())
    return x


def sine_and_slope_(x: Tensor, bias: Tensor, sine: Tensor) -> Tensor:
    """Fills `sine` with what `sine_` gives and returns it; x becomes its derivative, 2 pi times the
    cosine."""
    if x.dtype != torch.float32:
        torch.sin(x.add_(bias).mul_(2 * math.pi), out=sine)
        x.cos_().mul_(2 * math.pi)
        return sine
    _both(x.numpy(), bias.numpy(), sine.numpy())
    return sine


# Compiled when first called on a machine and kept beside this file; "contract" fuses multiply-adds,
# but undoes no adding of ROUND.
_compiled = partial(numba.njit, cache=True, fastmath={"contract"}, error_model="numpy")


@_compiled()
def _rest(turns: np.float32) -> np.float32:
    return turns - ((turns + ROUND) - ROUND)


@_compiled()
def _odd(z: np.float32) -> np.float32:
    s = z * z
    return z * (C1 + s * (C3 + s * (C5 + s * (C7 + s * C9))))


@_compiled()
def _sine(x: Floats, bias: Floats) -> None:
    for k in range(len(x)):
        r = _rest(x[k] + bias[k])
        x[k] = math.copysign(_odd(QUARTER - abs(abs(r) - QUARTER)), r)


@_compiled()
def _sine_and_slope(x: Floats, bias: Floats, sine: Floats) -> None:
    for k in range(len(x)):
        r = _rest(x[k] + bias[k])
        sine[k] = math.copysign(_odd(QUARTER - abs(abs(r) - QUARTER)), r)
        x[k] = TURN * _odd(QUARTER - abs(r))


@_compiled(nogil=True)
def _sines(x: Floats, bias: Floats) -> None:
    for b in range(x.shape[0]):
        for i in range(x.shape[1]):
            _sine(x[b, i], bias[b, 0])


@_compiled(nogil=True)
def _both(x: Floats, bias: Floats, sine: Floats) -> None:
    for b in range(x.shape[0]):
        for i in range(x.shape[1]):
            _sine_and_slope(x[b, i], bias[b, 0], sine[b, i])
