"""The run of a training (data set, model, seed): the curves of all its stages, what was measured
of it and its pictures. The jobs are runs below it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from gof.run.events import CURVE
from gof.run.store import Store, refused

BEGUN = "gof.begun"  # the attempt of the job that a training's run was made for
COMMON = ("gof.version", "gof.git_commit", "gof.git_dirty")  # tags of that job that it has too


@dataclass
class Training:
    """A training's newest run. stages: fingerprint of each stage in it; ends: its last step;
    running: jobs that have not ended."""

    run: str = ""
    status: str = "FINISHED"
    stages: dict[str, str] = field(default_factory=dict)
    ends: dict[str, int] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    running: list[str] = field(default_factory=list)


class Trainings:
    """The trainings that one pass meets, by their folders as seen from the store."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._met: dict[str, Training] = {}

    def of(self, folder: str) -> Training:
        """A training as the pass before left it."""
        if folder not in self._met:
            kept, names = self.store.load(f"training {folder}"), {f.name for f in fields(Training)}
            known = {name: value for name, value in kept.items() if name in names}
            self._met[folder] = Training(**known)
        return self._met[folder]

    def save(self) -> None:
        """Keep all of them."""
        for folder, training in self._met.items():
            self.store.save(f"training {folder}", asdict(training))

    def enter(self, folder: str, job: str, event: Mapping[str, Any]) -> str:
        """A job starts: the training's run, a new one when it is another training now, with other
        settings or inputs, or when the run was deleted."""
        training = self.of(folder)
        if not self._goes_on(training, event):
            training = self._met[folder] = self._begin(folder, training, event)
        if event["kind"] == "train":
            self._describe(training, event)
        self.store.client.update_run(training.run, status="RUNNING")
        training.running = [*(set(training.running) - {job}), job]
        return training.run

    def leave(self, folder: str, job: str, event: Mapping[str, Any]) -> None:
        """A job ends: the status of the training is that of its last one, unless others run."""
        training = self.of(folder)
        training.running = [name for name in training.running if name != job]
        training.status = event["status"]
        if not training.running:
            self.store.client.set_terminated(training.run, event["status"], event["time"])

    def _goes_on(self, training: Training, event: Mapping[str, Any]) -> bool:
        if not training.run or not self.store.alive(training.run):
            return False
        if event["kind"] != "train":
            return True
        known = training.stages.get(event["name"], event["fingerprint"])
        params = {name: training.params.get(name, value) for name, value in event["params"].items()}
        return bool(known == event["fingerprint"] and params == event["params"])

    def _begin(self, folder: str, old: Training, event: Mapping[str, Any]) -> Training:
        """A new run, which has from the old one the stages that it goes on from. Where another
        results folder is tracked in this store, too, its name stands before that of the run."""
        results = (self.store.home / folder).resolve().parents[2]
        name = event["training"]
        if results != self.store.home.parent:
            name = f"{results.name}: {name}"
        tags = {tag: event["tags"][tag] for tag in COMMON if tag in event["tags"]}
        tags |= {**event["labels"], "kind": "training", "results": results.name}
        trains = event["kind"] == "train"
        kept = [s for s in old.stages if not trains or _number(s) < _number(event["name"])]
        new = Training(stages={stage: old.stages[stage] for stage in kept})
        tags |= dict(_mark(stage, fingerprint) for stage, fingerprint in new.stages.items())
        mark = (BEGUN, event["attempt"])
        new.run = self.store.run(mark, name, event["time"], tags)
        if not old.run:
            return new
        new.ends = {stage: old.ends[stage] for stage in kept if stage in old.ends}
        if not trains:
            new.params = old.params
            self.store.parameters(new.run, new.params)
        if new.ends:
            self._copy_curves(old.run, new.run, max(new.ends.values()))
        if old.running and self.store.alive(old.run):
            self.store.client.set_terminated(old.run, old.status, event["time"])
        return new

    def _copy_curves(self, old: str, new: str, last: int) -> None:
        client = self.store.client
        try:
            names = [n for n in client.get_run(old).data.metrics if n.startswith(CURVE)]
            found = [m for n in names for m in client.get_metric_history(old, n) if m.step <= last]
        except Exception as error:
            if not refused(error):
                raise
            return  # the old run is gone for good
        self.store.metrics(new, found)

    def _describe(self, training: Training, event: Mapping[str, Any]) -> None:
        """What a stage adds: its settings, and its tag."""
        name, fingerprint = event["name"], event["fingerprint"]
        training.stages[name] = fingerprint
        self.store.client.set_tag(training.run, *_mark(name, fingerprint))
        new = {k: v for k, v in event["params"].items() if k not in training.params}
        self.store.parameters(training.run, new)
        training.params |= new


def _mark(stage: str, fingerprint: str) -> tuple[str, str]:
    """The tag that tells a training from another of its name."""
    return f"gof.fingerprint.{stage.rsplit('/', 1)[-1]}", fingerprint


def _number(stage: str) -> int:
    found = re.search(r"\d+$", stage)
    return int(found[0]) if found else 0
