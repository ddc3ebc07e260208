"""The loop of a stage: orders steps, log, probes and checkpoints; stops in good order when asked
to."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import torch
from torch import Tensor
from tqdm import tqdm

from gof.run.files import NOT_RESUMED, say
from gof.run.job import Job
from gof.training import checkpoint
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
    """A stage to train: from whatever step the state has to `last`. probe looks at the shapes now
    and then."""

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
        first = self.task.model.first_step(self.stage)
        stop = StopRequest(self.runtime.minutes)
        bar = tqdm(
            total=self.last - first,
            initial=state.step - first,
            disable=None if running else True,
            desc=f"{self.task.model.stages[self.stage].resolution} px",
        )
        with stop.listening(), bar, self._reading_ahead():
            self._announce(state.step)
            while state.step < self.last:
                self._step(state, running)
                bar.update()
                self._save_or_stop(state, stop)

    @contextmanager
    def _reading_ahead(self) -> Iterator[None]:
        """Threads that read what a step needs while the one before it runs."""
        with ExitStack() as threads:
            threads.enter_context(self.reals.ahead)
            if self.task.conditioner is not None:
                threads.enter_context(self.task.conditioner.ahead)
            yield

    def _announce(self, step: int) -> None:
        """Have read what a step needs, in the order in which it needs it."""
        if step >= self.last:
            return
        now, device = plan(self.task.model, self.stage, step), self.task.world.device
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
        now = plan(self.task.model, self.stage, state.step)
        self._announce(now.step + 1)
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
        if state.step % self.runtime.log_every and state.step != self.last:
            return
        entry = {
            name: _mean(state.window, name) for name in sorted({k for w in state.window for k in w})
        }
        entry |= {"interval": now.half_width, "opacity_weight": now.opacity_weight}
        if state.step % self.runtime.probe_every == 0 or state.step == self.last:
            entry |= self.probe(state, now)
        state.window.clear()
        state.history.append({"step": state.step, **entry})
        running.metrics(entry, state.step)
        if not sys.stderr.isatty():
            shown = ("loss_g", "loss_d", "geometric", "hit", "interval", "sigma", "outward")
            text = "  ".join(f"{name} {entry[name]:.4g}" for name in shown if name in entry)
            say(f"step {state.step}/{self.last}  {text}")

    def _save_or_stop(self, state: TrainState, stop: StopRequest) -> None:
        status = stop.status
        if self.task.world.size > 1:
            # All processes leave together: the largest wish counts.
            shared = torch.zeros(self.task.world.size, device=self.task.world.device)
            shared[self.task.world.rank] = status
            status = int(self.task.world.total(shared).max())
        # At the last step too: what comes after it may fail, and need not cost a step then.
        due = state.step % self.runtime.checkpoint_every == 0 or state.step == self.last
        if self.task.world.leads and (due or status):
            checkpoint.save(self.checkpoints, state, self.runtime.keep_checkpoints)
        if status and state.step < self.last:
            if self.task.world.leads:
                say(f"stopped at step {state.step}: saved; the same command goes on from here")
            raise Stopped(status)


def _mean(window: list[dict[str, float]], name: str) -> float:
    values = [entry[name] for entry in window if name in entry]
    return sum(values) / len(values)
