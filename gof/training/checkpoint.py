"""Checkpoints inside a stage: folders `step-000000100` of state.safetensors, log.json and
MANIFEST.json, each built under a temporary name and renamed once, so that a kill at any moment
leaves only whole ones."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from pathlib import Path

from gof.run.files import InputError, read_json, say, sha256, write_json
from gof.training.state import TrainState, read_state, write_state

MANIFEST = "MANIFEST.json"
FILES = ("state.safetensors", "log.json")
NAME = re.compile(r"step-\d{9}")


def save(folder: Path, state: TrainState, keep: int) -> None:
    """Write the checkpoint of this step, then drop all but the `keep` newest. Raises InputError on
    a full disk."""
    final = folder / f"step-{state.step:09d}"
    if final.exists():
        if _problem(final) is None:
            return
        _drop(final)
    building = folder / f".{final.name}.tmp"
    shutil.rmtree(building, ignore_errors=True)
    try:
        write_state(building / FILES[0], state)
        write_json(building / FILES[1], {"history": state.history, "window": state.window})
        write_json(building / MANIFEST, {name: sha256(building / name) for name in FILES})
        os.replace(building, final)
    except InputError:
        shutil.rmtree(building, ignore_errors=True)
        raise
    for old in steps(folder)[:-keep]:
        _drop(old)


def remove(folder: Path) -> None:
    """Remove all checkpoints, the newest last: a kill meanwhile leaves it whole, or nothing."""
    for old in steps(folder):
        _drop(old)
    shutil.rmtree(folder, ignore_errors=True)


def _drop(checkpoint: Path) -> None:
    """Remove a checkpoint; what a kill leaves of it does not bear a checkpoint's name."""
    gone = checkpoint.with_name(f".{checkpoint.name}.tmp")
    with suppress(OSError):
        os.replace(checkpoint, gone)
    shutil.rmtree(gone, ignore_errors=True)


def steps(folder: Path) -> list[Path]:
    """Checkpoints in a folder, oldest first."""
    return sorted(path for path in folder.glob("step-*") if NAME.fullmatch(path.name))


def load_newest(folder: Path, state: TrainState) -> bool:
    """Fill the state from the newest whole checkpoint; False when there is none at all.

    Damaged ones are named, passed over and, once an older one serves, removed: no room is kept for
    them. Raises InputError when there are only damaged ones: a run never starts afresh in silence.
    """
    for leftover in folder.glob(".step-*.tmp"):
        shutil.rmtree(leftover, ignore_errors=True)
    found = steps(folder)
    for candidate in reversed(found):
        problem = _problem(candidate) or _filled(state, candidate)
        if problem is None:
            for damaged in found[found.index(candidate) + 1 :]:
                _drop(damaged)
            return True
        say(f"checkpoint {candidate}: {problem}: trying the one before")
    if found:
        raise InputError(f"{folder}: all checkpoints are damaged: delete the folder to start anew")
    return False


def _filled(state: TrainState, candidate: Path) -> str | None:
    """Fill the state from a checkpoint; what is wrong with it, if anything is."""
    try:
        log = read_json(candidate / FILES[1])
        history, window = log["history"], log["window"]
        state.fill(read_state(candidate / FILES[0]))
    except (ValueError, KeyError) as error:
        return " ".join(str(error).split())[:120]
    state.history, state.window = history, window
    return None


def _problem(candidate: Path) -> str | None:
    try:
        manifest = read_json(candidate / MANIFEST)
        for name in FILES:
            if sha256(candidate / name) != manifest[name]:
                return f"{name} does not match its hash"
    except (InputError, KeyError):
        return "incomplete"
    return None
