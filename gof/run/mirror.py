"""Copies spools into MLflow: each event once, into one run for each job, under a parent for each
(dataset, model, seed)."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import select
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from gof.run.files import MachineError, atomic_write, say
from gof.run.settings import Tracking
from gof.run.spool import spools

POLL_S = 5.0  # between two looks at the spools while jobs run
RETRY_S = 60.0  # between two tries once the tracker could not be reached
BATCH = 900  # metrics of one call; the server refuses more than 1000 entities
# A tracker that does not answer is given up soon; the next call goes on where this one stopped.
PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5"}


@dataclass
class State:
    """How far a spool has been mirrored, and into which run."""

    offset: int = 0
    run: str = ""
    fingerprint: str = ""
    status: str = "FINISHED"
    host: str = ""
    pid: int = 0
    steps: dict[str, int] = field(default_factory=dict)  # last mirrored step of each metric


class Store:
    """A tracker: connected, its database and experiment made, its group runs at hand.

    Connecting happens under a lock, since two processes that meet an empty database would both
    create its tables. Raises MachineError when the tracker cannot be reached or used.
    """

    def __init__(self, tracking: Tracking, results: Path) -> None:
        home = (results / "mlflow").resolve()
        own = f"sqlite:///{home / 'mlflow.db'}"
        self.uri = os.environ.get("MLFLOW_TRACKING_URI") or tracking.uri or own
        self.home, self.lock = home, home / "lock"
        self.groups: dict[str, str] = {}
        for name, value in PATIENCE.items():
            os.environ.setdefault(name, value)
        home.mkdir(parents=True, exist_ok=True)
        from mlflow.tracking import MlflowClient

        with _reaching(self.uri), _locked(self.lock):
            self.client = MlflowClient(self.uri)
            known = self.client.get_experiment_by_name(tracking.experiment)
            place = (home / "artifacts").as_uri() if self.uri == own else None
            self.experiment = (
                known.experiment_id
                if known
                else self.client.create_experiment(tracking.experiment, place)
            )

    def state_file(self, spool: Path) -> Path:
        """Where the state of a spool is kept: it goes when the database goes, and another tracker
        has another."""
        key = f"{self.uri} {os.path.relpath(spool.resolve(), self.home)}".replace(
            str(self.home), ""
        )
        return self.home / "state" / f"{hashlib.sha256(key.encode()).hexdigest()[:20]}.json"

    def find(self, tag: str, value: str) -> str | None:
        """The run that carries a tag."""
        runs = self.client.search_runs([self.experiment], f"tags.`{tag}` = '{value}'")
        return runs[0].info.run_id if runs else None

    def group(self, name: str, tags: Mapping[str, str]) -> str:
        """The parent run of one (dataset, model, seed), made when first asked for."""
        if name not in self.groups:
            with _locked(self.lock):
                run = self.find("gof.group", name)
                if run is None:
                    labels = {**tags, "gof.group": name, "gof.kind": "group"}
                    made = self.client.create_run(self.experiment, tags=labels, run_name=name)
                    run = made.info.run_id
                    self.client.set_terminated(run)
            self.groups[name] = run
        return self.groups[name]


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with open(path, "a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _reaching(uri: str) -> Iterator[None]:
    """Turn whatever MLflow, its database driver or the network raises into one line."""
    try:
        yield
    except Exception as error:  # a mirror: no failure of it may be more than a message
        reason = str(error).strip().split("\n")[0][:160]
        raise MachineError(
            f"tracking: {uri}: {type(error).__name__}: {reason}: nothing is lost,"
            " run `gof sync` when it is back"
        ) from None


def mirror(spool: Path, store: Store, last: bool = False) -> bool:
    """Copy the new events of a spool; with `last`, a run whose process is gone is marked as killed.
    Safe to repeat.

    Returns whether anything was new. Raises MachineError when the tracker fails; the next call goes
    on from there.
    """
    with open(spool, "rb+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False  # another process is mirroring it
        with _reaching(store.uri):
            copy = _Copy(spool, store)
            new = copy.events(handle)
            if last and copy.state.status == "RUNNING" and _gone(copy.state):
                copy.end({"status": "KILLED", "time": int(spool.stat().st_mtime * 1000)})
                copy.save()
            return new


class _Copy:
    """One pass over a spool."""

    def __init__(self, spool: Path, store: Store) -> None:
        self.spool, self.store = spool, store
        self.file = store.state_file(spool)
        try:
            self.state = State(**json.loads(self.file.read_text()))
        except (OSError, ValueError, TypeError):
            self.state = State()
        self.metrics: list[Any] = []

    def save(self) -> None:
        atomic_write(self.file, json.dumps(asdict(self.state)))

    def events(self, handle: BinaryIO) -> bool:
        """Mirror all whole lines from the saved offset on."""
        handle.seek(self.state.offset)
        lines = handle.read().splitlines(keepends=True)
        if lines and not lines[-1].endswith(b"\n"):
            lines.pop()  # still being written, or cut by a kill
        actions = {
            "start": self.start,
            "metrics": self.step,
            "artifact": self.artifact,
            "end": self.end,
        }
        for line in lines:
            self.state.offset += len(line)
            try:
                event = json.loads(line)
                action = actions[event["event"]]
            except (ValueError, KeyError, TypeError):
                continue  # a line cut by a kill
            action(event)
            if action is not self.step or len(self.metrics) >= BATCH:
                self.flush()
                self.save()
        self.flush()
        if lines:
            self.save()
        return bool(lines)

    def start(self, event: Mapping[str, Any]) -> None:
        """A new run, or the same one again when an unfinished job with the same settings and inputs
        goes on."""
        client, state = self.store.client, self.state
        resumed = (
            state.run and state.status != "FINISHED" and state.fingerprint == event["fingerprint"]
        )
        if resumed:
            client.update_run(state.run, status="RUNNING")
        else:
            state.run, state.steps = self._create(event), {}
        state.fingerprint, state.status = event["fingerprint"], "RUNNING"
        state.host, state.pid = event["host"], event["pid"]

    def _create(self, event: Mapping[str, Any]) -> str:
        from mlflow.entities import Param
        from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

        found = self.store.find("gof.attempt", event["attempt"])
        if found:
            return found  # made just before an earlier pass was cut
        tags = {**event["tags"], "gof.attempt": event["attempt"]}
        if event["group"]:
            shared = {
                k: v
                for k, v in event["tags"].items()
                if k in ("gof.dataset", "gof.model", "gof.seed")
            }
            tags[MLFLOW_PARENT_RUN_ID] = self.store.group(event["group"], shared)
        made = self.store.client.create_run(
            self.store.experiment, event["time"], tags, event["name"]
        )
        params = [Param(k, str(v)[:6000]) for k, v in event["params"].items()]
        for first in range(0, len(params), 100):
            self.store.client.log_batch(made.info.run_id, params=params[first : first + 100])
        return str(made.info.run_id)

    def step(self, event: Mapping[str, Any]) -> None:
        """Metrics at a step; those a resumed job repeats are left out."""
        from mlflow.entities import Metric

        for name, value in event["values"].items():
            if event["step"] > self.state.steps.get(name, -1):
                self.state.steps[name] = event["step"]
                self.metrics.append(Metric(name, value, event["time"], event["step"]))

    def flush(self) -> None:
        for first in range(0, len(self.metrics), BATCH):
            self.store.client.log_batch(self.state.run, self.metrics[first : first + BATCH])
        self.metrics = []

    def artifact(self, event: Mapping[str, Any]) -> None:
        """A small file; one that is gone by now is left out."""
        path = Path(event["path"])
        if path.is_file():
            self.store.client.log_artifact(self.state.run, str(path))

    def end(self, event: Mapping[str, Any]) -> None:
        """The run's last status."""
        self.flush()
        self.state.status = event["status"]
        self.store.client.set_terminated(self.state.run, event["status"], event["time"])


def _gone(state: State) -> bool:
    if state.host != socket.gethostname():
        return False
    try:
        os.kill(state.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def sync(places: Sequence[Path], tracking: Tracking, results: Path) -> int:
    """Mirror everything in these places once. Returns the number of spools with news. Raises
    MachineError."""
    store = Store(tracking, results)
    return sum(mirror(spool, store, last=True) for spool in spools(places))


def follow(places: Sequence[Path], tracking: Tracking, results: Path) -> None:
    """Mirror until the standard input ends, which is when the process that started this one says so
    or is gone; then everything once more.

    Raises MachineError when that last pass fails.
    """
    pause, store = 0.0, None
    seen: dict[Path, int] = {}
    while not select.select([sys.stdin], [], [], pause)[0]:
        pause = POLL_S
        try:
            store = store or Store(tracking, results)
            for spool in spools(places):
                if seen.get(spool) != spool.stat().st_size:
                    mirror(spool, store)
                    seen[spool] = spool.stat().st_size
        except MachineError as error:
            say(f"gof: {error}")
            pause = RETRY_S
    store = store or Store(tracking, results)
    for spool in spools(places):
        mirror(spool, store, last=True)
