"""How a process counts while it trains."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def small_as_zero() -> Iterator[None]:
    """Numbers below 1e-38 count as zero, in this thread and those that it starts meanwhile.

    Gradients of what lies behind a surface fall below that, and a CPU takes many times as long over
    each of them: a third of the generator's update of the default GOF (docs/speed.md).
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
