"""What a job reports, as a spool: JSON lines beside its record. `gof.run.mirror` copies spools into
MLflow from another process.

So no tracker, slow or down, can fail or slow a job, and what MLflow shows can be rebuilt from
files.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gof.run.files import append_json, say

SUFFIX = ".events.jsonl"
CHUNK = 2**20  # bytes of a spool that are read at once


class Spool:
    """The events of one job, appended as they happen. Without a path nothing is written."""

    def __init__(self, path: Path | None) -> None:
        self.path = path

    @classmethod
    def beside(cls, record: Path) -> Spool:
        """The spool of the job that writes `record`."""
        return cls(record.with_name(record.stem + SUFFIX))

    def add(self, event: str, values: Mapping[str, Any]) -> None:
        """Append an event with its time (milliseconds); after a failed write (a full disk) warn
        once and fall silent."""
        if self.path is None:
            return
        try:
            append_json(self.path, {"event": event, "time": time.time_ns() // 10**6, **values})
        except OSError as error:
            say(f"gof: tracking: {self.path}: {error.strerror}: this job's events are not recorded")
            self.path = None


def spools(places: Sequence[Path]) -> list[Path]:
    """All spools in these folders (or these spools themselves), the oldest first."""
    found = {
        p for place in places for p in (place.rglob(f"*{SUFFIX}") if place.is_dir() else [place])
    }
    return sorted((p for p in found if p.exists()), key=lambda p: (p.stat().st_mtime, p))


# What an event must have to be used, and of which type.
_SHAPES: dict[str, dict[str, type]] = {
    "start": {
        **dict.fromkeys(("name", "training", "up", "kind", "fingerprint", "attempt", "host"), str),
        **dict.fromkeys(("labels", "tags", "params"), dict),
        "pid": int,
    },
    "curve": {"values": dict, "step": int, "shared": bool},
    "final": {"values": dict, "shared": bool},
    "artifact": {"path": str, "shared": bool},
    "end": {"status": str},
}


def events(spool: Path, offset: int) -> Iterator[tuple[dict[str, Any] | None, int]]:
    """The events of all whole lines from a byte on, each with the offset after it; None for a line
    that cannot be used: cut by a kill, or written by another version."""
    more = True
    while more:
        with open(spool, "rb") as handle:
            handle.seek(offset)
            lines = handle.readlines(CHUNK)
        if lines and not lines[-1].endswith(b"\n"):
            lines.pop()  # still being written, or cut by a kill
        for line in lines:
            offset += len(line)
            yield _usable(line), offset
        more = bool(lines)


def _usable(line: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
        shape = {"time": int, **_SHAPES[event["event"]]}
        fits = all(isinstance(event[name], kind) for name, kind in shape.items())
        numbers = all(isinstance(v, int | float) for v in event.get("values", {}).values())
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return event if fits and numbers else None


Follower = subprocess.Popen[bytes]


def follower(places: Sequence[Path], results: Path, runtime: str) -> Follower | None:
    """Start a process that mirrors these places until it is dismissed or this process is gone.

    runtime: JSON of the runtime sections. None, with a warning, when it cannot be started.
    """
    settings = ["--config", runtime, "--follow"]
    call = [sys.executable, "-m", "gof", "sync", *map(str, places), *settings]
    log = results / "mlflow" / "sync.log"
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(log, "ab") as handle:
            pipe = subprocess.PIPE
            return Follower(call, stdin=pipe, stdout=handle, stderr=handle, start_new_session=True)
    except OSError as error:
        say(f"gof: tracking: {error.filename}: {error.strerror}: run `gof sync` later")
        return None


def dismiss(process: Follower | None, wait_s: float) -> None:
    """Have a follower finish and wait a while for it; what is left then, it goes on with alone."""
    if process is None or process.stdin is None:
        return
    process.stdin.close()
    try:
        failed = process.wait(wait_s)
    except subprocess.TimeoutExpired:
        say("gof: tracking: still copying; if MLflow lacks something later, run `gof sync`")
        return
    if failed:
        say("gof: tracking: the tracker cannot be reached; nothing is lost, `gof sync` catches up")
