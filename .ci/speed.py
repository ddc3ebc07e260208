"""How long work may take here that may take so many seconds where two cores multiply matrices at
160 GFLOP/s or faster: python .ci/speed.py SECONDS. At most four times as long."""

import statistics
import sys
import time

import torch

REFERENCE, SLOWEST = 160e9, 4.0


def rate(size: int = 2048, runs: int = 9) -> float:
    """Operations a second of a matrix product, the median of some."""
    a, seconds = torch.randn(size, size), []
    for _ in range(runs):
        start = time.perf_counter()
        a @ a
        seconds.append(time.perf_counter() - start)
    return 2 * size**3 / statistics.median(seconds[2:])


found = rate()
allowed = float(sys.argv[1]) * min(SLOWEST, max(1.0, REFERENCE / found))
print(f"matrix products: {found / 1e9:.0f} GFLOP/s", file=sys.stderr)
print(round(allowed))
