"""From where a stage goes on, and what it says of earlier work that does not serve."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gof.experiment.model import Model
from gof.models import pretrained as generators
from gof.run.files import InputError, read_json, say, write_json
from gof.training import checkpoint
from gof.training.conditioner import Loader
from gof.training.jobs import StageJob
from gof.training.schedule import plan
from gof.training.state import TrainState, read_state

if TYPE_CHECKING:
    from gof.experiment.config import Config

ABOUT = "about.json"  # in a folder of checkpoints: what decides the run that they are of
RECORD, STATE = "stage.json", "state.safetensors"
NAMED = 3  # differences that a line names


@dataclass(frozen=True)
class Earlier:
    """Work on this stage by a run of other settings. where: a folder of checkpoints, or of a stage
    that has ended; step: how far it came; about: what decided it."""

    where: Path
    step: int
    about: Mapping[str, Any]


@dataclass(frozen=True)
class Resume:
    """What there is to go on from. folder: of a stage's own checkpoints; about: what decides its
    result."""

    wanted: StageJob
    folder: Path
    about: Mapping[str, Any]

    @classmethod
    def of(cls, config: Config, wanted: StageJob, loader: Loader | None) -> Resume:
        """That of a job."""
        about = wanted.decides(config, loader)
        return cls(wanted, wanted.out / "checkpoints" / fingerprint(about), about)

    @property
    def is_done(self) -> bool:
        """Whether the stage was trained by the same settings, and what that left is whole; says so
        where it is not."""
        if _read(self.wanted.out / RECORD).get("decided_by") != self.about:
            return False
        try:
            read_state(self.wanted.out / STATE)
            generators.load(self.wanted.out / "generator.yaml")
        except InputError as error:
            say(f"{error}: trained once more")
            return False
        return True

    def begin(self) -> None:
        """Write down what decides the checkpoints to come."""
        if not (self.folder / ABOUT).exists():
            write_json(self.folder / ABOUT, self.about)

    def go_on(self, state: TrainState, speaks: bool) -> None:
        """Fill a state, at the first step of the stage, from the newest checkpoint that serves.

        Raises InputError where --extend was asked for and nothing can be extended.
        """
        tell = say if speaks else (lambda _: None)
        if checkpoint.load_newest(self.folder, state):
            return tell(f"going on from step {state.step}")
        found = list(self._earlier())
        if self.wanted.extend:
            return self._extend(found, state, tell)
        for earlier in found:
            odd = different(earlier.about, self.about)
            longer = _is_longer(earlier.about, self.about, self.wanted.stage)
            advice = "--extend goes on from there" if longer else "they do not serve"
            tell(f"{earlier.where}: step {earlier.step} of a run with {said(odd)}: {advice}")

    def _extend(self, found: list[Earlier], state: TrainState, tell: Any) -> None:
        fit = [e for e in found if _is_longer(e.about, self.about, self.wanted.stage)]
        if not fit:
            there = "; ".join(f"{e.where}: {said(different(e.about, self.about))}" for e in found)
            raise InputError(
                f"--extend: {self.wanted.out} holds no run of the same settings but fewer steps"
                f" ({there or 'nothing'}): train without it"
            )
        best = max(fit, key=lambda earlier: earlier.step)
        if best.where == self.wanted.out:
            state.fill(read_state(best.where / STATE))
            state.history = list(read_json(best.where / RECORD)["numbers"]["history"])
        else:
            checkpoint.load_newest(best.where, state)
        tell(f"going on from step {state.step} of {best.where}")

    def _earlier(self) -> Iterator[Earlier]:
        """Runs of other settings that left something here."""
        for folder in sorted(self.folder.parent.glob("*")):
            kept = checkpoint.steps(folder)
            if kept and folder != self.folder:
                step = int(kept[-1].name.removeprefix("step-"))
                yield Earlier(folder, step, _read(folder / ABOUT))
        record = _read(self.wanted.out / RECORD)
        if "decided_by" in record:
            yield Earlier(self.wanted.out, record["numbers"]["step"], record["decided_by"])


def fingerprint(about: Mapping[str, Any]) -> str:
    """A name for what decides a result."""
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_json(path)
    except InputError:
        return {}


def _is_longer(before: Mapping[str, Any], after: Mapping[str, Any], stage: int) -> bool:
    """Whether the second is the first with more steps in its last stage, each of the first's steps
    being the same in both."""
    key = f"model.stages.{stage}.steps"
    odd = different(before, after)
    if odd.keys() != {key} or not odd[key][0] < odd[key][1]:
        return False
    old, new = (Model.model_validate(about["model"]) for about in (before, after))
    if new.stages[stage].minutes is not None:
        return False  # its schedules would be stretched
    first, last = old.first_step(stage), old.first_step(stage + 1) - 1
    return all(
        replace(plan(old, stage, step), stage=new.stages[stage]) == plan(new, stage, step)
        for step in (first, (first + last) // 2, last)
    )


def different(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Entries of nested mappings and lists that differ, by their dotted place."""
    flat = [dict(_flat("", about)) for about in (before, after)]
    names = dict.fromkeys([*flat[0], *flat[1]])
    pairs = {name: (flat[0].get(name), flat[1].get(name)) for name in names}
    return {name: (old, new) for name, (old, new) in pairs.items() if old != new}


def _flat(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        parts: Any = value.items()
    elif isinstance(value, list | tuple):
        parts = enumerate(value)
    else:
        yield place, value
        return
    for key, part in parts:
        yield from _flat(f"{place}.{key}" if place else str(key), part)


def said(odd: Mapping[str, tuple[Any, Any]]) -> str:
    """Differences in words, the first few of many."""
    shown = [f"{name} {old} instead of {new}" for name, (old, new) in list(odd.items())[:NAMED]]
    more = f" and {len(odd) - NAMED} more" if len(odd) > NAMED else ""
    return f"{', '.join(shown)}{more}" if odd else "settings that are not known"
