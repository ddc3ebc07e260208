"""Checkpoints inside a stage: folders `step-000000100` of state.safetensors, log.json and
MANIFEST.json, each built under a temporary name and renamed once, so that a kill at any moment
leaves only whole ones."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

import safetensors.torch

from gof.run.files import InputError, atomic_write, read_json, say, sha256, write_json
from gof.training.state import TrainState, read_state

MANIFEST = "MANIFEST.json"
FILES = ("state.safetensors", "log.json")


def save(folder: Path, state: TrainState, keep: int) -> None:
    """Write the checkpoint of this step, then drop all but the `keep` newest. Raises InputError on
    a full disk."""
    final = folder / f"step-{state.step:09d}"
    if final.exists():
        return
    building = folder / f".{final.name}.tmp"
    shutil.rmtree(building, ignore_errors=True)
    try:
        atomic_write(building / FILES[0], safetensors.torch.save(state.tensors()))
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
    return sorted(folder.glob("step-*"))


def load_newest(folder: Path, state: TrainState) -> bool:
    """Fill the state from the newest whole checkpoint; False when there is none at all.

    Damaged ones are named and passed over. Raises InputError when there are only damaged ones: a
    run never starts afresh in silence.
    """
    for leftover in folder.glob(".step-*.tmp"):
        shutil.rmtree(leftover, ignore_errors=True)
    found = steps(folder)
    for candidate in reversed(found):
        problem = _problem(candidate)
        if problem is None:
            state.fill(read_state(candidate / FILES[0]))
            log = read_json(candidate / FILES[1])
            state.history, state.window = log["history"], log["window"]
            return True
        say(f"checkpoint {candidate}: {problem}: trying the one before")
    if found:
        raise InputError(f"{folder}: all checkpoints are damaged: delete the folder to start anew")
    return False


def _problem(candidate: Path) -> str | None:
    try:
        manifest = read_json(candidate / MANIFEST)
        for name in FILES:
            if sha256(candidate / name) != manifest[name]:
                return f"{name} does not match its hash"
    except (InputError, KeyError, TypeError):
        return "incomplete"
    return None
