"""What an interrupted job has finished of its shards, so that the same job goes on from there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gof.data.shards import Shard
from gof.run.files import InputError, read_json, say, sha256, write_json


class Unfinished:
    """A file beside the record of a job that holds which shards are done, until all are.

    identity: all that decides the shards; what a job of another identity has left is not used.
    """

    def __init__(self, record: Path, *identity: Any) -> None:
        self.folder = record.parent
        self._path = record.with_name(f"{record.stem}.unfinished.json")
        text = json.dumps(identity, sort_keys=True)
        self._of = hashlib.sha256(text.encode()).hexdigest()
        self._done: dict[str, dict[str, Any]] = self._found()
        if self._done:
            say(f"going on from {len(self._done)} shards that an interrupted run has left")

    def _found(self) -> dict[str, dict[str, Any]]:
        if not self._path.is_file():
            return {}
        try:
            left = read_json(self._path)
            if left["of"] != self._of:
                return {}
            return {key: entry for key, entry in left["done"].items() if self._whole(entry)}
        except (InputError, KeyError, TypeError, ValueError, AttributeError):
            return {}

    def _whole(self, entry: Mapping[str, Any]) -> bool:
        shard = Shard(**entry["shard"])
        path = self._path.with_name(shard.file)
        same = path.is_file() and path.stat().st_size == shard.bytes
        return same and sha256(path) == shard.sha256

    def get(self, key: str) -> tuple[Shard, dict[str, Any]] | None:
        """The shard of this key, and what was told with it, if it is done."""
        entry = self._done.get(key)
        return (Shard(**entry["shard"]), entry["told"]) if entry else None

    def add(self, key: str, shard: Shard, told: Mapping[str, Any] | None = None) -> None:
        """Note that a shard is written, and what is to be told with it."""
        self._done[key] = {"shard": asdict(shard), "told": dict(told or {})}
        write_json(self._path, {"of": self._of, "done": self._done})

    def finish(self) -> None:
        """The job is done: nothing is to go on."""
        self._path.unlink(missing_ok=True)
