"""One node of the DAG while it runs: its numbers, its record on disk and the events that MLflow is
filled from."""

from __future__ import annotations

import hashlib
import json
import os
import re
import resource
import socket
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from gof import __version__
from gof.experiment.config import RUNTIME_SECTIONS, Config
from gof.run.files import NOT_RESUMED, sha256, write_json
from gof.run.outputs import Writes, watched
from gof.run.provenance import revision, versions
from gof.run.spool import Follower, Spool, dismiss, follower

FOLLOWED = (
    "GOF_FOLLOWED"  # set where one process follows a whole run: a job then starts none of its own
)
LIVE_AFTER_S = 10.0  # a job by hand is followed from then on; shorter ones wait for `gof sync`
STOPPED = (NOT_RESUMED, 130, 143)  # exit statuses of a job that was asked to stop
# results/{dataset}/{model}/seed{n}/...: the parts of a record's path that name its parent run
_GROUP = re.compile(r"(?P<dataset>[^/]+)/(?P<model>[^/]+)/seed(?P<seed>\d+)/")


class Job:
    """What a running job may report: metrics over steps, final numbers, small artifacts."""

    def __init__(self, spool: Spool) -> None:
        self.numbers: dict[str, Any] = {}
        self.artifacts: list[Path] = []
        self._spool = spool

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Record values at a step; the steps of one metric must grow."""
        numbers = {name: float(value) for name, value in values.items()}
        self._spool.add("metrics", {"values": numbers, "step": step})

    def artifact(self, path: Path) -> None:
        """Name a small file (picture, table, settings) to be shown with the run."""
        self.artifacts.append(path)


@contextmanager
def job(
    record: Path,
    kind: str,
    config: Config,
    inputs: Mapping[str, Path],
    writes: Writes = Writes(),  # noqa: B008 (frozen)
) -> Iterator[Job]:
    """Run one node. On success `record` (JSON) is written last: the numbers set on the yielded Job,
    the inputs' hashes, settings, versions, names of the files beside it, wall time and peak memory.
    Under torchrun only the first process writes.

    Raises InputError for a missing input and for an output that is not ours to write, and whatever
    the body raises; nothing is then written to `record`.
    """
    start = time.monotonic()
    leads = os.environ.get("RANK", "0") == "0"
    hashes = {name: sha256(path) for name, path in inputs.items()}
    given = config.model_fields_set - RUNTIME_SECTIONS
    settings = config.model_dump(mode="json", include=given)
    spool = Spool.beside(record) if leads and config.tracking.enabled else Spool(None)
    running, status = Job(spool), "FAILED"
    watch = watched(record, inputs.values(), writes) if leads else nullcontext()
    with watch as outputs, _followed(spool, config):
        spool.add("start", _start(record, kind, settings, hashes))
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
                "peak_mib": _peak_mib(),
            }
            if leads:
                write_json(record, values)
            _finish(running, record, values)
            status = "FINISHED"
        except (KeyboardInterrupt, SystemExit) as stop:
            if isinstance(stop, KeyboardInterrupt) or stop.code in STOPPED:
                status = "KILLED"
            raise
        finally:
            spool.add("end", {"status": status})


def _peak_mib() -> int:
    """Largest memory of this process or one of its children so far."""
    whom = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(who).ru_maxrss for who in whom) // 1024


def _start(
    record: Path, kind: str, settings: Mapping[str, Any], hashes: Mapping[str, str]
) -> dict[str, Any]:
    """The event that opens a run. A job with the same fingerprint as an unfinished one goes on in
    its run."""
    path = record.resolve().as_posix()
    place = _GROUP.search(path)
    group = "{dataset}/{model}/seed{seed}".format(**place.groupdict()) if place else ""
    identity = json.dumps([kind, path, settings, dict(hashes)], sort_keys=True)
    tags = {
        "gof.kind": kind,
        "gof.host": socket.gethostname(),
        "gof.version": __version__,
        "gof.fingerprint": hashlib.sha256(identity.encode()).hexdigest()[:16],
        **{f"gof.{name}": value for name, value in (place.groupdict() if place else {}).items()},
        **{f"gof.git_{name}": value for name, value in revision().items()},
        **{f"gof.input.{name}": value for name, value in hashes.items()},
    }
    if "SLURM_JOB_ID" in os.environ:
        tags["gof.slurm_job_id"] = os.environ["SLURM_JOB_ID"]
    return {
        "name": "/".join(Path(path[place.start() :] if place else path).with_suffix("").parts[-5:]),
        "group": group,
        "fingerprint": tags["gof.fingerprint"],
        "attempt": uuid.uuid4().hex,
        "host": tags["gof.host"],
        "pid": os.getpid(),
        "tags": tags,
        "params": _flat(settings),
    }


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings as dotted names; lists of sections get numbers
    (`models.gof.stages.0.steps`)."""
    found: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            value = {str(number): entry for number, entry in enumerate(value)}
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = json.dumps(value) if isinstance(value, list) else str(value)
    return found


def _finish(running: Job, record: Path, values: Mapping[str, Any]) -> None:
    """Final numbers as metrics, and the files to be shown."""
    final = {name: float(values[name]) for name in ("wall_s", "peak_mib")}
    for name, value in running.numbers.items():
        if isinstance(value, (int, float)):
            final[f"final/{name}"] = float(value)
    for row in running.numbers.get("rows", []):
        final[f"{row['model']}/{row['metric']}"] = float(row["value"])
    running.metrics(final, 0)
    for path in (record, *running.artifacts):
        running._spool.add("artifact", {"path": str(path.resolve())})


@contextmanager
def _followed(spool: Spool, config: Config) -> Iterator[None]:
    """Have a job by hand that lasts mirrored while it runs; the workflow's own follower sees to the
    others."""
    if spool.path is None or FOLLOWED in os.environ:
        yield
        return
    path, results = spool.path, Path(config.pathvars.get("results", "results"))
    started: list[Follower | None] = []

    def start() -> None:
        started.append(follower([path], results, config.runtime_only()))

    timer = threading.Timer(LIVE_AFTER_S, start)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        if started:
            dismiss(started[0], config.tracking.wait_s)
