"""Timing of work next to its ceiling, so that a noisy machine slows both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch

from gof.config import FieldNetwork

RUNS = 5  # timed after one run to warm up
PRODUCTS = 20  # matrix products that one timing of the rate takes
ROWS = (512, 1024, 2048, 4096, 8192)  # of the products: the best number counts


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. measured and ceiling are in `unit`; fraction is how near the measured
    is to the ceiling, 1 for as good as the machine allows; target is a fraction where unit is a
    rate, else the most it may be. None: there is none."""

    row: str
    measured: float
    unit: str
    ceiling: float | None = None
    fraction: float | None = None
    target: float | None = None
    holds: bool | None = None

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def rate_row(row: str, operations: float, timing: Timing, target: float) -> Row:
    """A row in GFLOP/s, its target a fraction of the ceiling."""
    measured, ceiling = operations / timing.seconds / 1e9, timing.rate / 1e9
    fraction = measured / ceiling
    return Row(row, measured, "GFLOP/s", ceiling, fraction, target, fraction >= target)


def time_row(
    row: str, seconds: float, unit: str, ceiling: float | None, target: float | None
) -> Row:
    """A row in s, ms or min; ceiling and target are the least and the most it should take, in that
    unit."""
    measured = seconds * {"s": 1.0, "ms": 1e3, "min": 1 / 60}[unit]
    fraction = None if ceiling is None else ceiling / measured
    holds = None if target is None else measured <= target
    return Row(row, measured, unit, ceiling, fraction, target, holds)


@dataclass(frozen=True, slots=True)
class Timing:
    """Median seconds of a piece of work, and the best rate of matrix products between its runs,
    floating point operations a second."""

    seconds: float
    rate: float


def timed(work: Callable[[], object]) -> float:
    """Seconds that a call takes, the device's work included."""
    start = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def median(work: Callable[[], object], runs: int = RUNS) -> float:
    """Median seconds of `runs` calls after one to warm up."""
    timed(work)
    return statistics.median(timed(work) for _ in range(runs))


def beside(width: int, work: Callable[[], object], runs: int = RUNS) -> Timing:
    """Time work; between its runs, matrix products of a layer of this width."""
    rates, seconds = [product_rate(width)], []
    timed(work)
    for _ in range(runs):
        seconds.append(timed(work))
        rates.append(product_rate(width))
    return Timing(statistics.median(seconds), max(rates))


def product_rate(width: int) -> float:
    """Best rate of [rows, width] by [width, width] products in float32, operations a second."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    draw = torch.Generator().manual_seed(0)
    weight = torch.randn(width, width, generator=draw).to(device)
    best = 0.0
    for rows in ROWS:
        inputs = torch.randn(rows, width, generator=draw).to(device)
        out = torch.empty_like(inputs)

        def products(inputs: torch.Tensor = inputs, out: torch.Tensor = out) -> None:
            for _ in range(PRODUCTS):
                torch.mm(inputs, weight, out=out)

        timed(products)
        best = max(best, PRODUCTS * 2 * rows * width**2 / timed(products))
    return best


def logit_operations(network: FieldNetwork) -> int:
    """The products of the trunk and the occupancy head for one point."""
    width = network.width
    return 2 * (3 * width + (network.layers - 1) * width**2 + width)


def colour_operations(network: FieldNetwork) -> int:
    """Those of colour and logit."""
    width = network.width
    return logit_operations(network) + 2 * ((width + 3) * width + 3 * width)
