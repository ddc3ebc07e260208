"""Renders shards in as many processes as there are cores."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from tqdm import tqdm

from gof.data.manifest import Split
from gof.data.shards import Shard
from gof.data.unfinished import Unfinished
from gof.run.children import pool
from gof.run.files import InputError
from gof.run.machine import cores

BLOCK = 4  # heads rendered together: their fragments stay in the processor cache
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Piece:
    """Images start to stop of a split, and the file they go to."""

    split: str
    start: int
    stop: int
    path: Path


def pieces(counts: dict[str, int], size: int, folder: Path) -> list[Piece]:
    """Shards of at most `size` images for splits of these counts."""
    return [
        Piece(split, k * size, min((k + 1) * size, count), folder / f"{split}-{k:03d}")
        for split, count in counts.items()
        for k in range(math.ceil(count / size))
    ]


def in_blocks(
    piece: Piece, render: Callable[[range], dict[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    """Arrays of all images of a piece; `render` is given the numbers of a few at a time."""
    torch.set_num_threads(1)
    starts = range(piece.start, piece.stop, BLOCK)
    blocks = [render(range(start, min(start + BLOCK, piece.stop))) for start in starts]
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def render_all(
    render: Callable[[T], Shard], tasks: Sequence[T], unfinished: Unfinished
) -> list[Shard]:
    """render(task) for every task, in order, less those that are done already; the result does not
    depend on the number of processes. Raises InputError when a process dies."""
    found = {}
    for k in range(len(tasks)):
        if done := unfinished.get(str(k)):
            found[k] = done[0]
    missing = [k for k in range(len(tasks)) if k not in found]
    for k, shard in _rendered(render, {k: tasks[k] for k in missing}):
        unfinished.add(str(k), shard)
        found[k] = shard
    return [found[k] for k in range(len(tasks))]


def _rendered(render: Callable[[T], Shard], tasks: Mapping[int, T]) -> Iterator[tuple[int, Shard]]:
    """Shards by number, as they become ready."""
    workers = min(cores(), len(tasks))
    if workers <= 1:
        for k, task in tasks.items():
            yield k, render(task)
        return
    try:
        with pool(workers) as processes:
            numbers = {processes.submit(render, task): k for k, task in tasks.items()}
            bar = tqdm(as_completed(numbers), total=len(tasks), unit="shard", disable=None)
            for future in bar:
                yield numbers[future], future.result()
    except BrokenProcessPool:
        raise InputError(
            "a rendering process died (out of memory?): lower shard_size, run again"
        ) from None


def by_split(pieces: Sequence[Piece], shards: Sequence[Shard]) -> dict[str, Split]:
    """The splits of a manifest from the shards of its pieces."""
    own: dict[str, list[Shard]] = {}
    for piece, shard in zip(pieces, shards, strict=True):
        own.setdefault(piece.split, []).append(shard)
    return {
        split: Split(sum(shard.count for shard in some), tuple(some)) for split, some in own.items()
    }
