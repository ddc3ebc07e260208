"""How long work may take here that may take so many seconds where two cores multiply matrices at
160 GFLOP/s or faster: python .ci/speed.py SECONDS. At most four times as long."""

import statistics
import sys

import torch

from gof.bench.measure import Products

REFERENCE, SLOWEST = 160e9, 4.0

products = Products(256, 256, torch.device("cpu"))
found = statistics.median(products.rate() for _ in range(5))
allowed = float(sys.argv[1]) * min(SLOWEST, max(1.0, REFERENCE / found))
print(f"matrix products: {found / 1e9:.0f} GFLOP/s", file=sys.stderr)
print(round(allowed))
