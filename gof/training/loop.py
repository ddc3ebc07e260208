"""The loop of a stage: orders steps, log, probes and checkpoints; stops in good order when asked
to."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

import torch
from torch import Tensor
from tqdm import tqdm

from gof.run.files import NOT_RESUMED, say
from gof.run.job import Job
from gof.training import checkpoint
from gof.training.budget import Pace
from gof.training.reals import Reals
from gof.training.schedule import StepPlan, plan
from gof.training.settings import Runtime
from gof.training.state import TrainState
from gof.training.steps import NonFinite, discriminator_step, each_fakes, generator_step, warm_step
from gof.training.task import Task

Probe = Callable[[TrainState, StepPlan], dict[str, float]]


class Stopped(SystemExit):
    """The stage stopped early, its state is saved, the same command goes on. `code` is the exit
    status."""


class StopRequest:
    """Why training should stop at the end of a step, if it should: a signal or the end of its
    time."""

    def __init__(self, minutes: int) -> None:
        self.deadline = time.monotonic() + minutes * 60 if minutes else float("inf")
        self.signal = 0

    def receive(self, number: int, _frame: FrameType | None) -> None:
        """Signal handler; a second signal ends the process at once."""
        if self.signal:
            raise KeyboardInterrupt
        self.signal = number

    @property
    def status(self) -> int:
        """Exit status to stop with, 0 to go on."""
        if self.signal:
            return 128 + self.signal
        return NOT_RESUMED if time.monotonic() > self.deadline else 0

    @contextmanager
    def listening(self) -> Iterator[StopRequest]:
        """Catch SIGTERM, SIGINT, SIGUSR1 and SIGHUP while the loop runs; the last not where it is
        ignored, as nohup wants it."""
        caught = [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            caught.append(signal.SIGHUP)
        before = {number: signal.signal(number, self.receive) for number in caught}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@dataclass(frozen=True)
class Loop:
    """A stage to train: from whatever step the state has to `last`, or to where its span ends, if
    a budget decides. probe looks at the shapes now and then."""

    task: Task
    runtime: Runtime
    reals: Reals
    stage: int
    last: int
    checkpoints: Path
    probe: Probe

    def run(self, state: TrainState, running: Job | None) -> None:
        """Train. `running` (leading process only) receives the log.

        Raises Stopped when asked to stop, and ArithmeticError with a checkpoint's name when a loss
        is not finite.
        """
        first = state.span.begin if state.span else self.task.model.first_step(self.stage)
        stop, pace, last = StopRequest(self.runtime.minutes), self._pace(), self._last(state)
        bar = tqdm(
            total=None if last is None else last - first,
            initial=state.step - first,
            disable=None if running else True,
            desc=f"{self.task.model.stages[self.stage].resolution} px",
        )
        with stop.listening(), bar, self._reading_ahead():
            self._announce(state, state.step)
            while (last := self._last(state)) is None or state.step < last:
                self._step(state, running)
                if pace is not None and self._last(state) is None:
                    self._measure(state, pace)
                    bar.total = (self._last(state) or first) - first or None
                bar.update()
                self._save_or_stop(state, stop)

    def _last(self, state: TrainState) -> int | None:
        """The step after which the stage ends; None while its budget is being measured."""
        return self.last if state.span is None else state.span.last

    def _plan(self, state: TrainState, step: int) -> StepPlan:
        return plan(self.task.model, self.stage, step, state.span)

    def _pace(self) -> Pace | None:
        """What measures the stage's budget, where it has one."""
        minutes = self.task.model.stages[self.stage].minutes
        return None if minutes is None else Pace(minutes, self.task.training.r1_every)

    def _measure(self, state: TrainState, pace: Pace) -> None:
        """Fix the number of steps, once enough were timed; the leading process's clock counts for
        all."""
        assert state.span is not None
        world, known = self.task.world, 0
        if world.leads:
            left = pace.left()
            known = -1 if left is None else left
        found = int(world.total(torch.tensor(known, device=world.device)))
        if found >= 0:
            steps = state.step - state.span.begin + found
            state.span = replace(state.span, steps=steps)
            if world.leads:
                say(f"the stage takes {steps} steps: so many fit into its minutes")

    @contextmanager
    def _reading_ahead(self) -> Iterator[None]:
        """Threads that read what a step needs while the one before it runs."""
        with ExitStack() as threads:
            threads.enter_context(self.reals.ahead)
            if self.task.conditioner is not None:
                threads.enter_context(self.task.conditioner.ahead)
            yield

    def _announce(self, state: TrainState, step: int) -> None:
        """Have read what a step needs, in the order in which it needs it."""
        if step == self._last(state):
            return
        now, device = self._plan(state, step), self.task.world.device
        batches, warm = self.task.rows(now), now.stage.objective == "geometric"
        if not warm:
            for rows in batches:
                self.reals.announce(rows, device)
        if self.task.conditioner is not None:
            alone = warm or self.task.training.share_fakes
            for who in ("generator",) if alone else ("discriminator", "generator"):
                for rows in batches:
                    self.task.conditioner.announce(rows, who, device)

    def _step(self, state: TrainState, running: Job | None) -> None:
        now = self._plan(state, state.step)
        self._announce(state, now.step + 1)
        state.set_learning_rates(now.stage, self.task.training, now.lr)
        try:
            if now.stage.objective == "geometric":
                values = warm_step(state, self.task, now)
            else:
                reals = [self.reals(rows, self.task.world.device) for rows in self.task.rows(now)]
                share = self.task.training.share_fakes
                shared = list(each_fakes(state, self.task, now, "generator")) if share else None
                values = discriminator_step(state, self.task, now, reals, shared)
                values |= generator_step(state, self.task, now, shared)
        except NonFinite as error:
            saved = checkpoint.steps(self.checkpoints)
            advice = f"last checkpoint: {saved[-1]}" if saved else "no checkpoint was written yet"
            raise ArithmeticError(
                f"step {now.step}: {error}; no weight was changed; {advice};"
                " lower the learning rates or raise training.r1_weight"
            ) from None
        if not self.task.world.leads or running is None:
            return
        self._log(state, now, values, running)

    def _log(
        self, state: TrainState, now: StepPlan, values: dict[str, Tensor], running: Job
    ) -> None:
        numbers = torch.stack(list(values.values())).tolist()  # one wait for the device, not many
        state.window.append(dict(zip(values, numbers, strict=True)))
        last = self._last(state)
        if state.step % self.runtime.log_every and state.step != last:
            return
        entry = {
            name: _mean(state.window, name) for name in sorted({k for w in state.window for k in w})
        }
        entry |= {"interval": now.half_width, "opacity_weight": now.opacity_weight}
        if state.step % self.runtime.probe_every == 0 or state.step == last:
            entry |= self.probe(state, now)
        state.window.clear()
        state.history.append({"step": state.step, **entry})
        running.metrics(entry, state.step)
        if not sys.stderr.isatty():
            shown = ("loss_g", "loss_d", "geometric", "hit", "interval", "sigma", "outward")
            text = "  ".join(f"{name} {entry[name]:.4g}" for name in shown if name in entry)
            say(f"step {state.step}/{last or '?'}  {text}")

    def _save_or_stop(self, state: TrainState, stop: StopRequest) -> None:
        status = stop.status
        if self.task.world.size > 1:
            # All processes leave together: the largest wish counts.
            shared = torch.zeros(self.task.world.size, device=self.task.world.device)
            shared[self.task.world.rank] = status
            status = int(self.task.world.total(shared).max())
        # At the last step too: what comes after it may fail, and need not cost a step then.
        ended = state.step == self._last(state)
        due = state.step % self.runtime.checkpoint_every == 0 or ended
        if self.task.world.leads and (due or status):
            checkpoint.save(self.checkpoints, state, self.runtime.keep_checkpoints)
        if status and not ended:
            if self.task.world.leads:
                say(f"stopped at step {state.step}: saved; the same command goes on from here")
            raise Stopped(status)


def _mean(window: list[dict[str, float]], name: str) -> float:
    values = [entry[name] for entry in window if name in entry]
    return sum(values) / len(values)
