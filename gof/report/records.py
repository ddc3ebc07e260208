"""Records of jobs, as tables and figures read them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gof.run.columns import Column
from gof.run.files import InputError, read_json

# results/{dataset}/{model}/seed{n}/{node}.json, or results/{dataset}/{node}.json for what belongs
# to no training, whose node has two parts unless it is one of faces
_TRAINING = re.compile(r"([^/]+)/([^/]+)/seed(\d+)/(.+)\.json$")
_SHARED = re.compile(r"([^/]+)/((?:faces|reference)/[^/]+/.+)\.json$")
_OTHER = re.compile(r"([^/]+)/([^/]+/[^/]+)\.json$")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
# how tables and figures write the first word of a model's name
NAMES = {"gof": "GOF", "pigan": "pi-GAN", "cgof": "cGOF", "fit": "3DMM fit"}


@dataclass(frozen=True, slots=True)
class Record:
    """What a job left: where it belongs (model and seed are empty outside a training), its numbers,
    its cost."""

    path: Path
    dataset: str
    model: str
    seed: str
    node: str
    kind: str
    integrator: str  # of the model a training stage trained, else empty
    conditional: bool  # whether that model is given conditions
    numbers: dict[str, Any]
    wall_s: float
    peak_mib: int


def read_records(paths: Sequence[Path]) -> list[Record]:
    """Read records in the given order. Raises InputError for a file that is none."""
    return [_read(path) for path in paths]


def _read(path: Path) -> Record:
    value = read_json(path)
    where = path.resolve().as_posix()
    try:
        cost = (float(value["wall_s"]), int(value["peak_mib"]))
        if found := _TRAINING.search(where):
            dataset, model, seed, node = found.groups()
        else:
            place = _SHARED.search(where) or _OTHER.search(where)
            dataset, node = place.groups()  # type: ignore[union-attr]
            model = seed = ""
        trained = value.get("settings", {}).get("models", {}).get(model, {})
        kinds = trained.get("integrator", ""), trained.get("conditions") is not None
        kind, numbers = value["kind"], value["numbers"]
        return Record(path, dataset, model, seed, node, kind, *kinds, numbers, *cost)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise InputError(f"{path}: not the record of a job: make it again with its verb") from None


def columns_of(records: Sequence[Record]) -> dict[str, tuple[Column, ...]]:
    """The columns of every table, in the order of their ranks, then of the records. Raises
    InputError for a record whose columns cannot be read."""
    found: dict[str, dict[str, Column]] = {}
    for record in records:
        try:
            for entry in record.numbers.get("columns", []):
                values = dict(entry)
                table = str(values.pop("table"))
                if not _NAME.fullmatch(table):  # it becomes the name of a file
                    raise ValueError
                found.setdefault(table, {}).setdefault(str(values["metric"]), Column(**values))
        except (KeyError, TypeError, ValueError):
            raise InputError(
                f"{record.path}: its columns cannot be read: make it again with its verb"
            ) from None
    return {
        table: tuple(sorted(columns.values(), key=lambda column: column.rank))
        for table, columns in found.items()
    }


def chosen(
    tables: Mapping[str, Sequence[Column]], metrics: Sequence[str]
) -> dict[str, Sequence[Column]]:
    """The columns of some metrics, in that order, of every table; all without any. Raises
    InputError for a metric that no table has."""
    known = {column.metric: None for columns in tables.values() for column in columns}
    if unknown := [metric for metric in metrics if metric not in known]:
        raise InputError(f"--columns: no {unknown[0]!r}: there are {', '.join(known)}")
    if not metrics:
        return dict(tables)
    found = {
        name: sorted(
            (column for column in columns if column.metric in metrics),
            key=lambda column: metrics.index(column.metric),
        )
        for name, columns in tables.items()
    }
    return {name: columns for name, columns in found.items() if columns}


def label(model: str) -> str:
    """A model's name as the papers write it."""
    first, *others = model.split("_")
    return " ".join([NAMES.get(first, first), *others])
