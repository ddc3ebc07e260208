"""How many steps a stage takes where it is given minutes in place of a number of steps."""

from __future__ import annotations

import time
from dataclasses import dataclass

WARM = 3  # first steps, which compile and fill caches: not like the others
SHARE = 0.05  # of the budget, in which steps are measured at least


@dataclass(frozen=True, slots=True)
class Span:
    """The steps that a stage takes of a run in which budgets decide: `steps` of them after `begin`;
    0 while they are being measured."""

    stage: int
    begin: int
    steps: int

    @property
    def last(self) -> int | None:
        """The step after which the stage ends, once it is known."""
        return self.begin + self.steps if self.steps else None


class Pace:
    """Times the first steps of a stage. cycle: steps after which cheap and dear ones come round
    again."""

    def __init__(self, minutes: float, cycle: int) -> None:
        self._budget, self._cycle = minutes * 60, cycle
        self._began = time.monotonic()
        self._ends: list[float] = []

    def left(self) -> int | None:
        """To be called after every step: for how many more there is time; None while too few were
        timed."""
        now = time.monotonic()
        self._ends.append(now)
        spent, timed = now - self._began, len(self._ends) - WARM
        if spent >= self._budget:
            return 0
        if timed < self._cycle or timed % self._cycle or spent < SHARE * self._budget:
            return None
        mean = (now - self._ends[WARM - 1]) / timed
        return round((self._budget - spent) / mean)
