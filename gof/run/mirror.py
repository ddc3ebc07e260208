"""Keeps MLflow up to date with spools: once, or following them while jobs run."""

from __future__ import annotations

import heapq
import select
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gof.run.copying import Copier
from gof.run.files import MachineError, say
from gof.run.settings import Tracking
from gof.run.spool import events, spools
from gof.run.store import Store, reaching

POLL_S = 5.0  # between two looks at the spools while jobs run
RETRY_S = 60.0  # between two tries once the tracker could not be reached


def mirror(found: Sequence[Path], store: Store, last: bool = False) -> int:
    """Copy the new events of spools, those of all of them in the order of time; with `last`, a run
    whose process is gone is marked as killed. Safe to repeat.

    Returns the number of spools with news. Raises MachineError when the tracker fails; the next
    call goes on from there.
    """
    with store.alone(), reaching(store.uri):
        copier, news = Copier(store), set[Path]()
        ordered = heapq.merge(*(_timed(path, copier) for path in found), key=lambda item: item[0])
        for _, spool, event, offset in ordered:
            news.add(spool)
            copier.take(spool, event, offset)
        if last:
            for spool in found:
                copier.bury(spool)
        copier.finish()
        return len(news)


def _timed(spool: Path, copier: Copier) -> Iterator[tuple[int, Path, dict[str, Any] | None, int]]:
    """The new events of a spool with their times and the offsets after them."""
    time = 0
    for event, offset in events(spool, copier.state(spool).offset):
        time = max(time, event["time"] if event else 0)
        yield time, spool, event, offset


def sync(places: Sequence[Path], tracking: Tracking, results: Path) -> int:
    """Mirror everything in these places once. Returns the number of spools with news. Raises
    MachineError."""
    return mirror(spools(places), Store(tracking, results), last=True)


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
            sizes = {spool: spool.stat().st_size for spool in spools(places)}
            mirror([spool for spool, size in sizes.items() if seen.get(spool) != size], store)
            seen = sizes
        except MachineError as error:
            say(f"gof: {error}")
            pause = RETRY_S
    store = store or Store(tracking, results)
    mirror(spools(places), store, last=True)
