"""Copies events into the runs of a tracker: each once, into one run for each job, and what is
shared into the run of its training."""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from gof.run.files import say
from gof.run.store import BATCH, Store, refused
from gof.run.trainings import Trainings

ATTEMPT = "gof.attempt"  # the tag by which a job's run is found again
# Folders of a training whose files lie right in its run, where MLflow shows those of several runs
# beside each other.
SHOWN = ("samples", "meshes", "control")


@dataclass
class State:
    """How far a spool has been copied, and into which runs: the job's own, and its training's.
    folder: of the training, as seen from the store; steps: last copied step of each curve."""

    offset: int = 0
    run: str = ""
    training: str = ""
    folder: str = ""
    name: str = ""
    fingerprint: str = ""
    status: str = "FINISHED"
    host: str = ""
    pid: int = 0
    steps: dict[str, int] = field(default_factory=dict)


class Copier:
    """One pass. What it has taken is kept only once the tracker has it; a pass that is cut is
    repeated from there, without doubles."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.trainings = Trainings(store)
        self._states: dict[Path, State] = {}
        self._metrics: dict[str, list[Any]] = {}  # taken, not sent yet; by run
        self._unusable: Counter[Path] = Counter()

    def state(self, spool: Path) -> State:
        """Where the pass stands in a spool."""
        if spool not in self._states:
            kept, names = self.store.load(self.store.relative(spool)), set()
            names = {f.name for f in fields(State)}
            known = {name: value for name, value in kept.items() if name in names}
            self._states[spool] = State(**known)
        return self._states[spool]

    def take(self, spool: Path, event: Mapping[str, Any] | None, offset: int) -> None:
        """Copy one event, after which the spool goes on at this offset. None: one that cannot be
        used."""
        state = self.state(spool)
        actions = {
            "start": self._start,
            "curve": self._curve,
            "final": self._final,
            "artifact": self._artifact,
            "end": self._end,
        }
        if event is None or (event["event"] != "start" and not state.run):
            state.offset = offset
            self._unusable[spool] += 1
            return
        if event["event"] in ("start", "artifact", "end"):
            self.flush()  # these act at once, so what came before them goes first
        try:
            actions[event["event"]](spool, event)
        except Exception as error:
            if not refused(error):
                raise
            self._refusal(str(spool), error)
        state.offset = offset
        if sum(map(len, self._metrics.values())) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Send what was taken, and keep how far that is."""
        for run, metrics in self._metrics.items():
            try:
                self.store.metrics(run, metrics)
            except Exception as error:
                if not refused(error):
                    raise
                self._refusal(f"run {run}", error)
        self._metrics = {}
        self.trainings.save()
        for spool, state in self._states.items():
            self.store.save(self.store.relative(spool), asdict(state))

    def finish(self) -> None:
        """Send the rest, and tell what could not be used."""
        self.flush()
        for spool, count in self._unusable.items():
            say(f"gof: tracking: {spool}: {count} events that cannot be used were left out")

    def bury(self, spool: Path) -> None:
        """Mark the run of a job whose process is gone as killed."""
        state = self.state(spool)
        if state.status == "RUNNING" and _gone(state):
            event = {"event": "end", "status": "KILLED"}
            self.take(spool, {**event, "time": int(spool.stat().st_mtime * 1000)}, state.offset)

    def _refusal(self, what: str, error: Exception) -> None:
        reason = str(error).strip().split("\n")[0][:160]
        say(f"gof: tracking: {what}: left out, since the tracker refuses it: {reason}")

    def _start(self, spool: Path, event: Mapping[str, Any]) -> None:
        """A new run, or the same one again when an unfinished job with the same settings and inputs
        goes on."""
        client, state, job = self.store.client, self.state(spool), self.store.relative(spool)
        same = state.fingerprint == event["fingerprint"]
        resumed = bool(state.run and state.status != "FINISHED" and same)
        resumed = resumed and self.store.alive(state.run)
        if state.run and state.status == "RUNNING" and not resumed and self.store.alive(state.run):
            client.set_terminated(state.run, "KILLED", event["time"])  # it never said so itself
        state.folder = state.training = ""
        if event["training"]:
            state.folder = self.store.relative(spool.parent / event["up"])
            state.training = self.trainings.enter(state.folder, job, event)
        if resumed:
            client.update_run(state.run, status="RUNNING")
        else:
            state.run = self._create(state, event)
            if not (state.training and same):
                state.steps = {}
        state.name, state.fingerprint, state.status = event["name"], event["fingerprint"], "RUNNING"
        state.host, state.pid = event["host"], event["pid"]

    def _create(self, state: State, event: Mapping[str, Any]) -> str:
        from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

        tags = dict(event["tags"])
        if state.training:
            tags[MLFLOW_PARENT_RUN_ID] = state.training
        run = self.store.run((ATTEMPT, event["attempt"]), event["name"], event["time"], tags)
        if not state.training or event["kind"] != "train":  # else its training has them
            self.store.parameters(run, event["params"])
        return run

    def _curve(self, spool: Path, event: Mapping[str, Any]) -> None:
        """Metrics at a step; those that a resumed or repeated job logs again are left out."""
        state, step = self.state(spool), event["step"]
        new = {n: v for n, v in event["values"].items() if step > state.steps.get(n, -1)}
        state.steps |= dict.fromkeys(new, step)
        self._add(self._target(state, event), new, step, event["time"])
        if event["shared"] and state.training:
            ends = self.trainings.of(state.folder).ends
            ends[state.name] = max(step, ends.get(state.name, 0))

    def _final(self, spool: Path, event: Mapping[str, Any]) -> None:
        """Numbers of the whole job; the newest count."""
        self._add(self._target(self.state(spool), event), event["values"], 0, event["time"])

    def _add(self, run: str, values: Mapping[str, float], step: int, time: int) -> None:
        from mlflow.entities import Metric

        found = [Metric(name, value, time, step) for name, value in values.items()]
        self._metrics.setdefault(run, []).extend(found)

    def _target(self, state: State, event: Mapping[str, Any]) -> str:
        return state.training if event["shared"] and state.training else state.run

    def _artifact(self, spool: Path, event: Mapping[str, Any]) -> None:
        """A small file, in a training under the folder it lies in there, or right in the run; one
        that is gone by now is left out."""
        state, path = self.state(spool), spool.parent / event["path"]
        if not path.is_file():
            return
        run, folder = self._target(state, event), None
        if run == state.training:
            top = (self.store.home / state.folder).resolve()
            beside = Path(os.path.relpath(path.parent.resolve(), top)).as_posix()
            folder = None if beside in SHOWN or beside.startswith(".") else beside
        self.store.client.log_artifact(run, str(path), folder)

    def _end(self, spool: Path, event: Mapping[str, Any]) -> None:
        """The last status of the run, and with it of its training."""
        state, job = self.state(spool), self.store.relative(spool)
        state.status = event["status"]
        if state.training and state.training == self.trainings.of(state.folder).run:
            self.trainings.leave(state.folder, job, event)
        self.store.client.set_terminated(state.run, event["status"], event["time"])


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
