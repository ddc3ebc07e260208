"""Timing of work next to its ceiling, so that a noisy machine slows both."""

from __future__ import annotations

import ctypes
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from gof.fields.kinds.film_siren import FilmSirenSettings

RUNS, FEWER = 5, 3  # timed after one to warm up; fewer where one takes longer than LONG_S
LONG_S = 20.0
BURST_S = 0.2  # of matrix products, each time that their rate is read; the noise hits them too
TRIAL = 1e9  # operations of a trial, to choose how many rows they have
ROWS = tuple(2**k for k in range(8, 17))  # of the products: the fastest number is taken


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. measured and ceiling are in `unit`; fraction is how near the measured
    is to the ceiling, 1 for as good as the machine allows; target is a fraction where unit is a
    rate, a least where it is dB, else the most it may be. None: there is none."""

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
    measured, ceiling = operations / timing.seconds / 1e9, timing.gauge / 1e9
    fraction = measured / ceiling
    return Row(row, measured, "GFLOP/s", ceiling, fraction, target, fraction >= target)


def least_row(
    row: str, measured: float, unit: str, ceiling: float | None, target: float | None
) -> Row:
    """A row of which less is better; ceiling and target are the least and the most it should be, in
    `unit`."""
    fraction = None if ceiling is None else ceiling / measured
    holds = None if target is None else measured <= target
    return Row(row, measured, unit, ceiling, fraction, target, holds)


@dataclass(frozen=True, slots=True)
class Timing:
    """Median seconds of a piece of work, and the median of what a gauge read between its runs."""

    seconds: float
    gauge: float


def wait() -> None:
    """Until the GPU, if there is one, has done what it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def timed(work: Callable[[], object]) -> float:
    """Seconds that a call takes, the device's work included."""
    wait()
    start = time.perf_counter()
    work()
    wait()
    return time.perf_counter() - start


def median(work: Callable[[], object]) -> float:
    """Median seconds of a call, after one to warm up."""
    return beside(lambda: 0.0, work).seconds


def beside(gauge: Callable[[], float], work: Callable[[], object]) -> Timing:
    """Time work after one run to warm up, and read a gauge before each run. Both are medians: the
    best of many short products would be set against work that takes every pause of the machine."""
    runs = RUNS if timed(work) < LONG_S else FEWER
    pairs = [(gauge(), timed(work)) for _ in range(runs)]
    read, seconds = zip(*pairs, strict=True)
    return Timing(statistics.median(seconds), statistics.median(read))


class Products:
    """Products [rows, inner] by [inner, columns] with as many rows as are fastest here, again and
    again into the same memory: in float32, on a GPU with float16 operands, as fields there have."""

    def __init__(self, inner: int, columns: int, device: torch.device) -> None:
        draw = torch.Generator().manual_seed(0)
        kind = torch.float16 if device.type == "cuda" else torch.float32
        self._weight = torch.randn(inner, columns, generator=draw).to(device, kind)
        self._inputs = torch.randn(max(ROWS), inner, generator=draw).to(device, kind)
        self._out = torch.empty(max(ROWS), columns, device=device, dtype=kind)
        rates = {rows: max(self._rate(rows, TRIAL) for _ in range(3)) for rows in ROWS}
        self.rows = max(ROWS, key=rates.__getitem__)
        self._operations = rates[self.rows] * BURST_S

    def rate(self) -> float:
        """Operations a second, now."""
        return self._rate(self.rows, self._operations)

    def _rate(self, rows: int, operations: float) -> float:
        """Rate over about so many operations."""
        inputs, out = self._inputs[:rows], self._out[:rows]
        times = math.ceil(operations / (2 * self._weight.numel() * rows))

        def multiply() -> None:
            for _ in range(times):
                torch.mm(inputs, self._weight, out=out)

        return times * 2 * self._weight.numel() * rows / timed(multiply)


def peak_mib(work: Callable[[], object]) -> tuple[float, float] | None:
    """Peak memory of this process, on a GPU that of its tensors, during a call: in all, and above
    what was there before. None where the system does not tell."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated() / 2**20
        timed(work)
        peak = torch.cuda.max_memory_allocated() / 2**20
        return peak, peak - before
    if not forget_peak():
        work()
        return None
    before = _status_mib("VmRSS")
    work()
    peak = _status_mib("VmHWM")
    return peak, peak - before


def forget_peak() -> bool:
    """Have Linux count this process's peak memory from now on; whether it does. What was freed is
    given back first, so that it counts where it is taken again."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
    except (OSError, AttributeError):
        return False
    return True


def _status_mib(name: str) -> float:
    """A number of /proc/self/status, which is in kB there."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[name].split()[0]) / 1024


def logit_operations(network: FilmSirenSettings) -> int:
    """The products of the trunk and the occupancy head for one point."""
    width = network.width
    return 2 * (3 * width + (network.layers - 1) * width**2 + width)


def colour_operations(network: FilmSirenSettings) -> int:
    """Those of colour and logit."""
    width = network.width
    return logit_operations(network) + 2 * ((width + 3) * width + 3 * width)
