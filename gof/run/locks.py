"""Who makes what in a folder of workflow runs. Snakemake keeps its locks until `--unlock` is called
by hand, since it cannot tell a killed run from one on another machine, and removes those of all
runs when one of them ends; here every run leaves its name and what it makes."""

from __future__ import annotations

import socket
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

import psutil

from gof.run.files import InputError

LOCKS = Path("locks")  # Snakemake's own, in its folder
RUNS = Path("gof-runs")  # a file for each run that has not ended, named after it


def _name(process: psutil.Process) -> str:
    return f"{socket.gethostname()} {process.pid} {process.create_time():.0f}"


def begin(folder: Path, outputs: Collection[str]) -> None:
    """Leave this run's name, and what it makes, in Snakemake's folder. Raises InputError where
    another run on this machine makes a file of these."""
    own = _name(psutil.Process())
    for path in (folder / RUNS).glob("*"):
        if path.name == own or not _lives_here(path.name):
            continue
        try:
            theirs = path.read_text().splitlines()
        except OSError:  # it has just ended
            continue
        if both := set(outputs).intersection(theirs):
            process = path.name.split()[-2]
            raise InputError(f"{min(both)}: snakemake, process {process}, makes it: wait for it")
    with suppress(OSError):
        (folder / RUNS).mkdir(parents=True, exist_ok=True)
        (folder / RUNS / own).write_text("\n".join(outputs) + "\n")


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
    return name.rsplit(" ", 2)[0] != socket.gethostname() or _lives_here(name)


def _lives_here(name: str) -> bool:
    try:
        return _name(psutil.Process(int(name.rsplit(" ", 2)[1]))) == name
    except psutil.Error:
        return False
