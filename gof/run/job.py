"""One node of the DAG while it runs: its numbers, its record on disk and the events that MLflow is
filled from."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from gof.experiment.config import RUNTIME_SECTIONS, Config
from gof.run.events import CURVE, measured, parameters, start_event
from gof.run.files import NOT_RESUMED, sha256, write_json
from gof.run.machine import peak_mib
from gof.run.outputs import Writes, watched
from gof.run.place import Place, place_of
from gof.run.provenance import revision, versions
from gof.run.spool import Follower, Spool, dismiss, follower

FOLLOWED = (
    "GOF_FOLLOWED"  # set where one process follows a whole run: a job then starts none of its own
)
LIVE_AFTER_S = 10.0  # a job by hand is followed from then on; shorter ones wait for `gof sync`
# Exit statuses of a job that was asked to stop: HUP, INT, USR1, TERM.
STOPPED = (NOT_RESUMED, 129, 130, 138, 143)


class Job:
    """What a running job may report: metrics over steps, final numbers, small artifacts.

    identity: its settings and inputs, as a text.
    """

    def __init__(self, spool: Spool, place: Place, kind: str, identity: str = "") -> None:
        self.identity = identity
        self.numbers: dict[str, Any] = {}
        self.artifacts: list[Path] = []
        self._spool, self._place = spool, place
        self._trains = bool(place.training) and kind == "train"

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Record values at a step; the steps of one metric must grow."""
        numbers = {f"{CURVE}{name}": float(value) for name, value in values.items()}
        self._spool.add("curve", {"values": numbers, "step": step, "shared": self._trains})

    def artifact(self, path: Path) -> None:
        """Name a small file (picture, table, settings) to be shown with the run."""
        self.artifacts.append(path)

    def finish(self, record: Path, values: Mapping[str, Any]) -> None:
        """Tell what the job cost and measured, and which files to show. What it measured and its
        files are shared with the training that it belongs to; its cost and record are its own.
        values: of the record."""
        cost = {name: float(values[name]) for name in ("wall_s", "peak_mib")}
        for name, value in self.numbers.items():
            if isinstance(value, int | float):
                cost[f"final/{name}"] = float(value)
        self._spool.add("final", {"values": cost, "shared": False})
        shared = bool(self._place.training)
        if rows := measured(self.numbers.get("rows", []), self._place.labels.get("model")):
            self._spool.add("final", {"values": rows, "shared": shared})
        for path in (record, *self.artifacts):
            beside = os.path.relpath(path, record.parent)
            own = path == record
            self._spool.add("artifact", {"path": beside, "shared": shared and not own})


@contextmanager
def job(
    record: Path,
    kind: str,
    config: Config,
    inputs: Mapping[str, Path],
    writes: Writes = Writes(),  # noqa: B008 (frozen)
    decided_by: Mapping[str, Any] | None = None,
) -> Iterator[Job]:
    """Run one node. On success `record` (JSON) is written last: the numbers set on the yielded Job,
    the inputs' hashes, settings, versions, names of the files beside it, wall time and peak memory.
    Under torchrun only the first process writes. decided_by: all that decides the result, where
    settings and inputs are not all; the record keeps it.

    Raises InputError for a missing input and for an output that is not ours to write, and whatever
    the body raises; nothing is then written to `record`.
    """
    start = time.monotonic()
    leads = os.environ.get("RANK", "0") == "0"
    hashes = {name: sha256(path) for name, path in inputs.items()}
    given = config.model_fields_set - RUNTIME_SECTIONS
    settings = config.model_dump(mode="json", include=given)
    place = place_of(record, kind, Path(config.pathvars.get("results", "results")))
    spool = Spool.beside(record) if leads and config.tracking.enabled else Spool(None)
    identity = json.dumps([settings, decided_by], sort_keys=True)
    own = json.dumps([identity, hashes, versions()], sort_keys=True)
    running, status = Job(spool, place, kind, own), "FAILED"
    watch = watched(record, inputs.values(), writes) if leads else nullcontext()
    with watch as outputs, _followed(spool, place, config):
        explicit = config.model_dump(mode="json", include=given, exclude_unset=True)
        params = parameters(explicit, place.labels.get("model"))
        spool.add("start", start_event(kind, place, params, hashes, identity))
        try:
            yield running
            values = {
                "kind": kind,
                "numbers": running.numbers,
                "inputs": hashes,
                "settings": settings,
                "versions": versions(),
                "revision": revision(),
                "outputs": outputs.names() if outputs else [],
                "wall_s": round(time.monotonic() - start, 3),
                "peak_mib": peak_mib(),
            }
            if decided_by is not None:
                values["decided_by"] = decided_by
            if leads:
                write_json(record, values)
            running.finish(record, values)
            status = "FINISHED"
        except (KeyboardInterrupt, SystemExit) as stop:
            if isinstance(stop, KeyboardInterrupt) or stop.code in STOPPED:
                status = "KILLED"
            raise
        finally:
            spool.add("end", {"status": status})


@contextmanager
def _followed(spool: Spool, place: Place, config: Config) -> Iterator[None]:
    """Have a job by hand that lasts mirrored while it runs; the workflow's own follower sees to the
    others. Outside of any results folder there is nothing to mirror into, unless a tracker is
    named."""
    results = place.results or Path(config.pathvars.get("results", "results"))
    tracker = os.environ.get("MLFLOW_TRACKING_URI") or config.tracking.uri or results.is_dir()
    if spool.path is None or FOLLOWED in os.environ or not (place.results or tracker):
        yield
        return
    path = spool.path
    there = config.model_copy(update={"pathvars": {**config.pathvars, "results": str(results)}})
    started: list[Follower | None] = []

    def start() -> None:
        started.append(follower([path], results, there.runtime_only()))

    timer = threading.Timer(LIVE_AFTER_S, start)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        if started:
            dismiss(started[0], config.tracking.wait_s)
