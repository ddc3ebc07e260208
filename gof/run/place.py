"""Where a record lies, told without the folder that the results lie in: the names of runs come from
here, so a results folder may lie anywhere, be moved or be copied.

The results folder of a record is the first of these:
1. `pathvars.results`, where the record lies inside it;
2. the nearest folder above the record that tracking has marked (it holds `mlflow/lock`);
3. the folder that `{dataset}/{model}/seed{n}/` stands in, the nearest to the record.
A record that has none lies outside: of a job by hand, which gets a short name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

TRACKED = Path("mlflow", "lock")  # inside a results folder that has a tracker, or had one
TRAINING = re.compile(r"(?P<dataset>[^/]+)/(?P<model>[^/]+)/seed(?P<seed>\d+)/")


@dataclass(frozen=True, slots=True)
class Place:
    """name: of the run. results: the results folder, None outside of any. training: dataset, model
    and seed as `heads/gof/seed0`, empty for a job of no training; labels: these by name; up: the
    way from the record's folder to the training's."""

    name: str
    results: Path | None = None
    training: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    up: str = ""


def place_of(record: Path, kind: str, results: Path) -> Place:
    """The place of the record of a job of this kind. results: `pathvars.results`."""
    root = _root(record, results)
    if root is None:
        return Place(_short(_named(_absolute(record)), kind))
    inside = _inside(record, root)
    name = _named(inside).as_posix()
    found = TRAINING.match(inside.as_posix())
    if found is None:
        return Place(name, root)
    levels = len(inside.parent.parts) - 3
    up = "/".join([".."] * levels) or "."
    return Place(name, root, found[0].rstrip("/"), found.groupdict(), up)


def _root(record: Path, results: Path) -> Path | None:
    if _within(record, results):
        return results
    path = _absolute(record)
    for folder in path.parents:
        if (folder / TRACKED).is_file():
            return folder
    found = list(TRAINING.finditer(path.as_posix()))
    return Path(path.as_posix()[: found[-1].start()]) if found else None


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # as it was named: a link below the results is part of them


def _within(record: Path, folder: Path) -> bool:
    return _absolute(folder) in _absolute(record).parents or (
        folder.resolve() in record.resolve().parents
    )


def _inside(record: Path, root: Path) -> Path:
    path, folder = _absolute(record), _absolute(root)
    if folder not in path.parents:
        path, folder = record.resolve(), root.resolve()
    return path.relative_to(folder)


def _named(path: Path) -> Path:
    """The record's path without its suffixes, and without its name where its folder says as much:
    stage1/stage.json is stage1."""
    stem = path.name.split(".")[0]
    return path.parent if path.parent.name.startswith(stem) else path.with_name(stem)


def _short(path: Path, kind: str) -> str:
    """`edit smile`: what was done, and the nearest name that says more."""
    parts = [part for part in path.parts[1:] if part != kind]
    return f"{kind} {parts[-1]}" if parts else kind
