"""What differs between machines: systems, cores, devices."""

from __future__ import annotations

import os
import resource
import sys

from gof.run.files import InputError

DEVICES = ("auto", "cpu", "cuda")


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


def device(wanted: str = "auto") -> str:
    """ "cpu" or "cuda": what is wanted here or, of "auto", by `gof --device` (GOF_DEVICE); else a
    GPU where there is one.

    Raises InputError when a GPU is asked for and missing.
    """
    import torch

    if wanted == "auto":
        wanted = os.environ.get("GOF_DEVICE") or "auto"
    if wanted not in DEVICES:
        raise InputError(f"GOF_DEVICE: {wanted!r}: {', '.join(DEVICES)} are known")
    found = torch.cuda.device_count() > 0
    if wanted == "cuda" and not found:
        raise InputError("--device cuda: no GPU is visible: use --device cpu")
    return "cuda" if found and wanted != "cpu" else "cpu"
