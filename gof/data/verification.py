"""Whether shards are what their manifest says: by their hash, once a run and not once a process.

A run is what the environment variable GOF_RUN names (the workflow sets it, its jobs inherit it);
without it, a process is a run of its own. What was found whole in a run stands in a stamp beside
the manifest, with size, time and inode of each file: while these stay, others of the same run do
not read it again. The processes that torchrun starts on a machine leave it to the first of them.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from gof.data.shards import Shard
from gof.run.files import VETO, InputError, MachineError, read_json, sha256, write_json

RUN = "GOF_RUN"
State = tuple[int, int, int]  # of a file: bytes, time of its last change in ns, inode
_whole: dict[tuple[Path, str], State] = {}  # what this process knows


def state_of(found: os.stat_result) -> State:
    """What changes when a file does."""
    return found.st_size, found.st_mtime_ns, found.st_ino


def stamp_of(manifest: Path) -> Path:
    """The stamp of the shards that a manifest names."""
    return manifest.with_name(f".{manifest.name}.verified")


def verify(manifest: Path, shards: Sequence[Shard], again: str) -> list[State]:
    """Make sure that shards beside a manifest have the hashes it says; returns the states in which
    they do. again: how to make them again.

    Raises InputError naming the shard that is missing or changed.
    """
    folder = manifest.parent
    states = [_state(folder / shard.file, again) for shard in shards]
    unknown = [
        (shard, state)
        for shard, state in zip(shards, states, strict=True)
        if _whole.get((folder / shard.file, shard.sha256)) != state
    ]
    if unknown and _first_on_this_machine():
        with _stamped(manifest) as known:
            for shard, state in unknown:
                if known.get(shard.file) != [shard.sha256, *state]:
                    if sha256(folder / shard.file) != shard.sha256:
                        raise changed(folder / shard.file, again)
                    known[shard.file] = [shard.sha256, *state]
    _whole.update({(folder / shard.file, shard.sha256): state for shard, state in unknown})
    return states


def changed(path: Path, again: str) -> InputError:
    """What to say of a file that is not what it was."""
    return InputError(
        f"{path}: changed since it was written (its hash is not the one it was written with):"
        f" {again}"
    )


def _state(path: Path, again: str) -> State:
    try:
        return state_of(os.stat(path))
    except OSError as error:
        reason = error.strerror or ""
        raise InputError(f"{path}: {reason[:1].lower()}{reason[1:]}: {again}") from None


def _first_on_this_machine() -> bool:
    """Whether this is not one of the processes that leave it to another."""
    rank = os.environ.get("LOCAL_RANK") or os.environ.get("RANK") or "0"
    return rank == "0"


@contextmanager
def _stamped(manifest: Path) -> Iterator[dict[str, list[str | int]]]:
    """What this run found whole: hash and state by name. What is added is kept for its other
    processes, unless the folder cannot be written. One process at a time."""
    run, stamp = os.environ.get(RUN), stamp_of(manifest)
    if not run:
        yield {}
        return
    with _alone(manifest):
        ours, known = _read(stamp, run)
        before = dict(known)
        try:
            yield known
        finally:
            if ours and known != before:
                _write(stamp, {"run": run, "whole": known})


@contextmanager
def _alone(manifest: Path) -> Iterator[None]:
    """Hold the manifest, so that two processes do not read the same shards at the same time."""
    try:
        handle = os.open(manifest, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield
        return
    try:
        with suppress(OSError):  # some network file systems lock only what can be written
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _read(stamp: Path, run: str) -> tuple[bool, dict[str, list[str | int]]]:
    """Whether the stamp is absent or ours, and what it says of this run."""
    if not stamp.exists():
        return True, {}
    try:
        values = read_json(stamp)
    except InputError:
        return False, {}
    if set(values) != {"run", "whole"}:
        return False, {}
    known = values["whole"] if values["run"] == run else {}
    return True, dict(known) if isinstance(known, dict) else {}


def _write(stamp: Path, values: dict[str, object]) -> None:
    token = VETO.set(None)  # no output of the job that happens to be the first to read
    try:
        with suppress(MachineError):  # read-only: each process then looks for itself
            write_json(stamp, values)
    finally:
        VETO.reset(token)
