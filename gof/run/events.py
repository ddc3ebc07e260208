"""What a job tells: the event that opens its run, and names of parameters and metrics that are free
of the model's, so that models line up beside each other."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from gof import __version__
from gof.run.place import Place
from gof.run.provenance import revision

CURVE = "train/"  # before the names of what is logged while training, at its steps


def start_event(
    kind: str, place: Place, params: Mapping[str, str], hashes: Mapping[str, str], identity: str
) -> dict[str, Any]:
    """The event that opens a run. A job with the same fingerprint as an unfinished one goes on in
    its run. identity: what decides the result."""
    whole = json.dumps([kind, identity, dict(hashes)], sort_keys=True)
    fingerprint = hashlib.sha256(whole.encode()).hexdigest()[:16]
    tags = {
        **place.labels,
        "kind": kind,
        "gof.host": socket.gethostname(),
        "gof.version": __version__,
        "gof.fingerprint": fingerprint,
        **{f"gof.git_{name}": value for name, value in revision().items()},
        **{f"gof.input.{name}": value for name, value in hashes.items()},
    }
    if "SLURM_JOB_ID" in os.environ:
        tags["gof.slurm_job_id"] = os.environ["SLURM_JOB_ID"]
    return {
        "name": place.name,
        "training": place.training,
        "up": place.up,
        "labels": dict(place.labels),
        "kind": kind,
        "fingerprint": fingerprint,
        "attempt": uuid.uuid4().hex,
        "host": tags["gof.host"],
        "pid": os.getpid(),
        "tags": tags,
        "params": dict(params),
    }


def parameters(settings: Mapping[str, Any], model: str | None) -> dict[str, str]:
    """Settings as dotted names. Those of the model stand for themselves (`integrator`, not
    `models.gof.integrator`), those of other models are left out; so do those of a data set where
    there is one alone.

    model: None for the only one there is. What is not set is left out, and terms without weight
    too: settings of a stage say so of what only later stages have, and a parameter cannot change.
    """
    models = settings.get("models") or {}
    if model is None and len(models) == 1:
        (model,) = models
    others = {name: value for name, value in settings.items() if name != "models"}
    if len(others.get("datasets") or {}) == 1:
        others |= next(iter(others.pop("datasets").values()))
    return _flat({**others, **models.get(model, {})})


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings as dotted names; lists of sections get numbers (`stages.0.steps`)."""
    found: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            value = {str(number): entry for number, entry in enumerate(value)}
        if value is None or _off(value):
            continue
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = json.dumps(value) if isinstance(value, list) else str(value)
    return found


def _off(value: Any) -> bool:
    return isinstance(value, dict) and "from_stage" in value and value.get("weight") == 0


def measured(rows: Iterable[Mapping[str, Any]], model: str | None) -> dict[str, float]:
    """Rows of a record as metrics: the model's own by the metric's name alone, others with what
    tells them from it (`sigma.truncated` of `cgof_truncated`).

    model: the training's; None, outside of one, for the model that all rows belong to, if any.
    """
    rows = [row for row in rows if isinstance(row.get("value"), int | float)]
    own = model or _common({str(row["model"]) for row in rows})
    names = [_metric(str(row["metric"]), str(row["model"]), own) for row in rows]
    return {name: float(row["value"]) for name, row in zip(names, rows, strict=True)}


def _common(models: set[str]) -> str:
    shortest = min(models, key=len, default="")
    alike = all(name == shortest or name.startswith(f"{shortest}_") for name in models)
    return shortest if alike else ""


def _metric(name: str, model: str, own: str) -> str:
    if model == own:
        return name
    return f"{name}.{model.removeprefix(f'{own}_') if own else model}"
