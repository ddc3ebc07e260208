"""Locks of workflow runs that are dead. Snakemake keeps its own until `--unlock` is called by hand,
since it cannot tell a killed run from one on another machine; here every run leaves its name."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path

import psutil

LOCKS = Path("locks")  # Snakemake's own, in its folder
RUNS = Path("gof-runs")  # a file for each run that has not ended, named after it


def _name(process: psutil.Process) -> str:
    return f"{socket.gethostname()} {process.pid} {process.create_time():.0f}"


def begin(folder: Path) -> None:
    """Leave this run's name in Snakemake's folder."""
    with suppress(OSError):
        (folder / RUNS).mkdir(parents=True, exist_ok=True)
        (folder / RUNS / _name(psutil.Process())).touch()


def end(folder: Path) -> None:
    """Take it back."""
    (folder / RUNS / _name(psutil.Process())).unlink(missing_ok=True)


def release(folder: Path) -> bool:
    """Remove Snakemake's locks where every run that left its name was killed on this machine; says
    whether it did."""
    runs = list((folder / RUNS).glob("*"))
    if not runs or any(_may_live(path.name) for path in runs):
        return False
    held = list((folder / LOCKS).glob("*.lock"))
    for path in (*held, *runs):
        path.unlink(missing_ok=True)
    return bool(held)


def _may_live(name: str) -> bool:
    host, process, _ = name.rsplit(" ", 2)
    if host != socket.gethostname():
        return True
    try:
        return _name(psutil.Process(int(process))) == name
    except psutil.Error:
        return False
