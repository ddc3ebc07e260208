"""Writes images that come one by one into the shards of their splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from gof.data.manifest import Split, load_manifest
from gof.data.shards import SHARDS, Arrays, Shard, write_shard
from gof.data.unfinished import Unfinished
from gof.run.files import InputError
from gof.run.outputs import prune


@dataclass(slots=True)
class Passed:
    """How many images have been passed since the last shard, and which of them, by name, were bad,
    or showed something else, and why."""

    count: int = 0
    bad: dict[str, str] = field(default_factory=dict)
    other: dict[str, str] = field(default_factory=dict)


class SplitWriter:
    """Collects the images of each split and writes them shard by shard; what an interrupted run has
    written stays.

    size: images in a shard. passed: of each split, how many images need not come again; bad,
    other: of all so far, see `Passed`.
    """

    def __init__(self, unfinished: Unfinished, size: int, splits: Iterable[str]) -> None:
        self._unfinished, self._size = unfinished, size
        self._rows: dict[str, list[Arrays]] = {split: [] for split in splits}
        self._since = {split: Passed() for split in self._rows}
        self._shards: dict[str, list[Shard]] = {split: [] for split in self._rows}
        self.passed: Counter[str] = Counter()
        self.bad: dict[str, str] = {}
        self.other: dict[str, str] = {}
        for split in self._rows:
            while done := unfinished.get(self._next(split)):
                self._take(split, done[0], Passed(**done[1]))

    def _next(self, split: str) -> str:
        return f"{split}-{len(self._shards[split]):03d}"

    def _take(self, split: str, shard: Shard, since: Passed) -> None:
        self._shards[split].append(shard)
        self.passed[split] += since.count
        self.bad |= since.bad
        self.other |= since.other

    def add(self, split: str, arrays: Arrays) -> None:
        """Keep one image; write a shard when enough wait."""
        self._since[split].count += 1
        self._rows[split].append(arrays)
        if len(self._rows[split]) == self._size:
            self._write(split)

    def leave_out(self, split: str, name: str, reason: str, bad: bool) -> None:
        """Pass an image of which nothing is kept."""
        since = self._since[split]
        since.count += 1
        (since.bad if bad else since.other)[name] = reason
        (self.bad if bad else self.other)[name] = reason

    def _write(self, split: str) -> None:
        rows, since, name = self._rows[split], self._since[split], self._next(split)
        arrays = {key: np.stack([row[key] for row in rows]) for key in rows[0]}
        shard = write_shard(self._unfinished.folder / name, arrays)
        self._unfinished.add(name, shard, asdict(since))
        self._take(split, shard, since)
        self._since[split] = Passed()
        rows.clear()

    def finish(self) -> dict[str, Split]:
        """Write what waits."""
        for split, rows in self._rows.items():
            if rows:
                self._write(split)
        return {
            split: Split(sum(shard.count for shard in shards), tuple(shards))
            for split, shards in self._shards.items()
        }

    def discard(self, kept: Path) -> None:
        """Remove what was written, but for what the manifest `kept`, of an older data set,
        names too."""
        self._unfinished.finish()
        try:
            names = load_manifest(kept).files
        except InputError:
            names = []
        prune(kept.parent, SHARDS, names)
