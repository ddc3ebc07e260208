"""The one place that decides whether a path may be written: the user's files are the user's.

A job may write a file that does not exist, one in a folder that carries our mark (an empty file
named `.gof`, put into folders that were new or empty), and one that an earlier record at the same
place names as its output. A job that fills a folder wants one that is new, empty or ours. None may
write one of its inputs, nor into a folder that is one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gof.run.files import VETO, InputError, MachineError, say, sweep

MARK = ".gof"
NAMED = 4  # files that the last line of a job names; of more, it gives their number


@dataclass(frozen=True, slots=True)
class Writes:
    """What a job writes besides its record. beside: files known beforehand; fills: whether the
    record's whole folder is its output; reads: what it reads without hashing it."""

    beside: tuple[Path, ...] = ()
    fills: bool = False
    reads: tuple[Path, ...] = ()


class Outputs:
    """Watches what one job writes. record: its record; inputs: what it reads."""

    def __init__(self, record: Path, inputs: Iterable[Path]) -> None:
        self._record = _placed(record)
        self._allowed: set[Path] = set()
        self._inputs = [path.resolve() for path in inputs]
        self._before = _named_by(record)
        self._written: dict[Path, None] = {}

    def claim(self, path: Path, fills: bool = False) -> None:
        """Say that the job will write this file, and with `fills` others beside it; a folder that
        is new or empty becomes ours.

        Raises InputError where they are not ours to write.
        """
        self.check(path)
        path = _placed(path)
        folder, mark = path.parent, path.parent / MARK
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not any(entry.is_file(follow_symlinks=False) for entry in os.scandir(folder)):
                mark.touch()
        except OSError as error:
            reason = error.strerror
            raise MachineError(f"{folder}: cannot be written ({reason}): name another") from None
        if mark.is_file():
            sweep(folder)
        elif fills:
            raise InputError(f"{folder}: holds files that gof did not make: name a new folder")

    def writing(self, path: Path) -> None:
        """Note that a file is written. Raises InputError where it is not ours to write."""
        self.check(path)
        self._written[_placed(path)] = None

    def check(self, path: Path) -> None:
        """Raise InputError where the file is not ours to write."""
        path = _placed(path)
        if path in self._allowed:
            return
        target = path.resolve()
        for source in self._inputs:
            if target == source:
                raise InputError(f"{path}: is an input of this very call: name another place")
            if source in target.parents:
                raise InputError(f"{path}: lies inside the input {source}: name another place")
        if path.is_dir() and not path.is_symlink():
            raise InputError(f"{path}: is a folder: name a file")
        if os.path.lexists(path) and not self._ours(path):
            raise InputError(
                f"{path}: exists and was not made by gof: move it away or name another place"
            )
        self._allowed.add(path)

    def _ours(self, path: Path) -> bool:
        named = path.parent == self._record.parent and path.name in self._before
        return named or (path.parent / MARK).is_file()

    def unmark(self) -> None:
        """Take back the marks of folders in which nothing was written."""
        for folder in {path.parent for path in self._allowed}:
            if folder.is_dir() and [entry.name for entry in os.scandir(folder)] == [MARK]:
                (folder / MARK).unlink(missing_ok=True)

    def tell(self, first: Iterable[Path] = ()) -> None:
        """Say what was written; of many files the one of `first` that is there, else the last."""
        paths = list(self._written)
        if len(paths) > NAMED:
            asked = [path for path in map(_placed, first) if path in self._written]
            say(f"wrote {(*asked, paths[-1])[0]} and {len(paths) - 1} more files")
        elif paths:
            say(f"wrote {', '.join(map(str, paths))}")

    def names(self) -> list[str]:
        """Names of what was written beside the record."""
        own = [path for path in self._allowed if path.parent == self._record.parent]
        return sorted(path.name for path in own if path != self._record and path.exists())


def _placed(path: Path) -> Path:
    """The path without what may lead elsewhere (.., links), but for a link in its own place."""
    return path.parent.resolve() / path.name if path.name != ".." else path.resolve()


def _named_by(record: Path) -> set[str]:
    """The outputs that an earlier record at this place names, itself among them."""
    try:
        value = json.loads(record.read_text())
        return {record.name, *map(str, value["outputs"])} if "gof" in value["versions"] else set()
    except (OSError, ValueError, TypeError, LookupError):
        return set()


@contextmanager
def watched(record: Path, inputs: Iterable[Path], writes: Writes) -> Iterator[Outputs]:
    """Watch over what is written in this block, and refuse before it begins what is known by then.

    Raises InputError for a file that is not ours to write.
    """
    own = Outputs(record, (*inputs, *writes.reads))
    paths = (record, *writes.beside)
    for path in paths:
        own.check(path)
    for path in paths:
        own.claim(path, writes.fills)
    token = VETO.set(own.writing)
    try:
        yield own
        own.tell(writes.beside)
    except BaseException:
        own.unmark()
        raise
    finally:
        VETO.reset(token)


def prune(folder: Path, pattern: str, kept: Iterable[str]) -> None:
    """Remove what earlier jobs left of this pattern in a folder of ours, but for the names kept."""
    if not (folder / MARK).is_file():
        return
    keep = set(kept)
    for path in folder.glob(pattern):
        if path.name not in keep:
            path.unlink(missing_ok=True)
