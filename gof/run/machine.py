"""What differs between operating systems."""

from __future__ import annotations

import os
import resource
import sys


def cores() -> int:
    """CPU cores that this process may use; where the system does not tell, all there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def peak_mib() -> int:
    """Largest memory of this process or one of its children so far."""
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB on Linux
    whom = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(who).ru_maxrss for who in whom) * unit // 2**20
