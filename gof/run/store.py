"""The tracker that spools are copied into: connected, its experiment made, its runs found."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlparse

from gof.run.files import MachineError, atomic_write
from gof.run.place import TRACKED
from gof.run.settings import Tracking

BATCH = 900  # metrics of one call; the server refuses more than 1000 entities
PARAMETERS = 100  # of one call, likewise
LONGEST = 6000  # characters of a parameter, likewise
CALL_S = 60.0  # the longest wait for one call's whole answer
TURN_S = 60.0  # the longest wait for another process that copies
# A tracker that does not answer is given up soon; the next call goes on where this one stopped.
PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5"}
# What an experiment is given that has no such tag. Of this kind, its page opens on its runs; its
# description, shown there, leads to what most come for.
TAGS = {
    "mlflow.experimentKind": "custom_model_development",
    "mlflow.note.content": (
        "[Trainings side by side](#/experiments/{experiment}/runs?workflowType=machine_learning"
        "&searchFilter=tags.kind%20%3D%20'training'&compareRunsMode=CHART):"
        " curves, bars; for sheets and meshes tick them and press Compare. The other runs are jobs:"
        " of a training below it, of a data set beside it."
    ),
}
# Said of what is sent, not of the tracker: sent again, it would be refused again.
REFUSALS = (
    "BAD_REQUEST",
    "INVALID_PARAMETER_VALUE",
    "INVALID_STATE",
    "RESOURCE_ALREADY_EXISTS",
    "RESOURCE_DOES_NOT_EXIST",
)


class Patient:
    """A client of a tracker, each of whose calls has an end: a server that sends a byte now and
    then outlasts every limit between two bytes. Raises TimeoutError."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)
        return lambda *given, **named: _in_time(partial(method, *given, **named))


def _in_time(call: Callable[[], Any]) -> Any:
    """What a call returns or raises. Its thread, where it does not come back, is left behind."""
    answer: Future[Any] = Future()

    def run() -> None:
        try:
            answer.set_result(call())
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=run, daemon=True, name="tracker").start()
    try:
        return answer.result(CALL_S)
    except TimeoutError:
        if answer.done():
            raise
        raise TimeoutError(f"no whole answer in {CALL_S:.0f} s") from None


class Store:
    """A tracker and what is kept about it inside the results folder.

    Connecting happens under a lock, since two processes that meet an empty database would both
    create its tables. Raises MachineError when the tracker cannot be reached or used.
    """

    def __init__(self, tracking: Tracking, results: Path) -> None:
        self.home = (results / "mlflow").resolve()
        database = self.home / "mlflow.db"
        own = f"sqlite:///{database}"
        self.uri = os.environ.get("MLFLOW_TRACKING_URI") or tracking.uri or own
        for name, value in PATIENCE.items():
            os.environ.setdefault(name, value)
        self.home.mkdir(parents=True, exist_ok=True)
        from mlflow.tracking import MlflowClient

        with reaching(self.uri), _locked(results.resolve() / TRACKED):
            self.client = Patient(MlflowClient(self.uri))
            artifacts = (self.home / "artifacts").as_uri() if self.uri == own else None
            self.experiment = self._experiment(tracking.experiment, artifacts)
            if artifacts:
                _settle(database, artifacts)

    def _experiment(self, name: str, artifacts: str | None) -> str:
        known = self.client.get_experiment_by_name(name)
        if known is not None and known.lifecycle_stage == "deleted":
            raise MachineError(
                f"tracking: {self.uri}: experiment {name!r} was deleted: restore it, or name"
                " another as tracking.experiment"
            )
        if known is None:
            experiment, tags = str(self.client.create_experiment(name, artifacts)), {}
        else:
            experiment, tags = str(known.experiment_id), known.tags
        for tag, value in TAGS.items():
            if tag not in tags:
                told = value.replace("{experiment}", experiment)
                self.client.set_experiment_tag(experiment, tag, told)
        return experiment

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Copy while no other process does. Raises MachineError when another goes on for long."""
        with open(self.home / "copying", "a") as handle:
            until = time.monotonic() + TURN_S
            while not _free(handle):
                if time.monotonic() > until:
                    raise MachineError(
                        f"tracking: {self.home}: another process has been copying for"
                        f" {TURN_S:.0f} s: nothing is lost, run `gof sync` later"
                    )
                time.sleep(0.05)
            yield

    def relative(self, path: Path) -> str:
        """A path as seen from inside the results folder: the same after both have moved."""
        return os.path.relpath(path.resolve(), self.home)

    def load(self, key: str) -> dict[str, Any]:
        """What `save` kept; empty when there is nothing, or nothing that can be read."""
        try:
            value = json.loads(self._state_file(key).read_text())
        except (OSError, ValueError):
            return {}
        return value if isinstance(value, dict) else {}

    def save(self, key: str, value: Mapping[str, Any]) -> None:
        """Keep how far copying came; it goes when the database goes, and another tracker has
        another."""
        atomic_write(self._state_file(key), json.dumps(value))

    def _state_file(self, key: str) -> Path:
        whole = f"{self.uri} {key}".replace(str(self.home), "")
        return self.home / "state" / f"{hashlib.sha256(whole.encode()).hexdigest()[:20]}.json"

    def run(self, mark: tuple[str, str], name: str, start: int, tags: Mapping[str, str]) -> str:
        """The run that carries this tag and value, made now unless an earlier pass, which was cut
        then, made it."""
        runs = self.client.search_runs([self.experiment], f"tags.`{mark[0]}` = '{mark[1]}'")
        if runs:
            return str(runs[0].info.run_id)
        made = self.client.create_run(self.experiment, start, {**tags, mark[0]: mark[1]}, name)
        return str(made.info.run_id)

    def alive(self, run: str) -> bool:
        """Whether a run is there and was not deleted."""
        try:
            return bool(self.client.get_run(run).info.lifecycle_stage == "active")
        except Exception as error:  # MLflow's own class is imported late, see __init__
            if refused(error):
                return False
            raise

    def parameters(self, run: str, values: Mapping[str, str]) -> None:
        """Log parameters; one that is there already must have the same value."""
        from mlflow.entities import Param

        params = [Param(name, value[:LONGEST]) for name, value in values.items()]
        for first in range(0, len(params), PARAMETERS):
            self.client.log_batch(run, params=params[first : first + PARAMETERS])

    def metrics(self, run: str, values: list[Any]) -> None:
        """Log metrics (mlflow's); those that are there already are not doubled."""
        for first in range(0, len(values), BATCH):
            self.client.log_batch(run, values[first : first + BATCH])


def refused(error: Exception) -> bool:
    """Whether the tracker answered, and will not take what was sent."""
    return getattr(error, "error_code", "") in REFUSALS


def _settle(database: Path, artifacts: str) -> None:
    """After a results folder was moved or copied, make its database look for artifacts in it:
    MLflow keeps absolute paths, and would bring the old folder back to life."""
    with contextlib.closing(sqlite3.connect(database, timeout=60)) as connection, connection:
        rows = connection.execute("SELECT DISTINCT artifact_location FROM experiments").fetchall()
        moved = [old for (old,) in rows if old and old != artifacts and _ours(old)]
        for old in moved:
            for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri")):
                connection.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?)"
                    f" WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                    (artifacts, len(old) + 1, old, len(old) + 1, f"{old}/"),
                )


def _ours(location: str) -> bool:
    path = Path(unquote(urlparse(location).path))
    return location.startswith("file:") and path.parts[-2:] == ("mlflow", "artifacts")


def _free(handle: IO[str]) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with open(path, "a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def reaching(uri: str) -> Iterator[None]:
    """Turn whatever MLflow, its database driver or the network raises into one line."""
    try:
        yield
    except MachineError:
        raise
    except Exception as error:  # a mirror: no failure of it may be more than a message
        reason = str(error).strip().split("\n")[0][:160]
        raise MachineError(
            f"tracking: {uri}: {type(error).__name__}: {reason}: nothing is lost,"
            " run `gof sync` when it is back"
        ) from None
