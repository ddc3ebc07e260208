"""Reads the arrays of a split, any rows of them, from its shards: memory holds what was asked
for."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gof.data.manifest import LEVELS, Manifest
from gof.data.shards import Row, Shard, Stored, opened, read_header, read_rows
from gof.data.verification import State, changed, state_of, verify
from gof.geometry.images import shrink
from gof.run.files import InputError

BLOCK = 256  # images that are read at once by those who go through all of them


class Rows:
    """The arrays of some shards, as if each were one. named_by: the file beside the shards that
    names them; again: how to make them again.

    Every method raises InputError naming the shard that is missing, changed or damaged, or lacks an
    array.
    """

    def __init__(self, named_by: Path, shards: Sequence[Shard], again: str) -> None:
        self.named_by = named_by
        self._shards = tuple(shards)
        self._paths = [named_by.parent / shard.file for shard in shards]
        self._again = again
        self._stops = np.cumsum([shard.count for shard in shards], dtype=np.int64)
        self._states: dict[int, State] = {}
        self._headers: dict[int, dict[str, Stored]] = {}
        self._rows: dict[str, Row] = {}

    def __len__(self) -> int:
        return int(self._stops[-1]) if len(self._stops) else 0

    @property
    def names(self) -> tuple[str, ...]:
        """The arrays there are."""
        return tuple(self._header(0))

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a row."""
        return self._stored(0, name).shape[1:]

    def blocks(self, size: int = BLOCK) -> Iterator[range]:
        """The numbers of all rows, some at a time."""
        for start in range(0, len(self), size):
            yield range(start, min(start + size, len(self)))

    def verify(self) -> None:
        """Make sure now that all shards are whole, where they would be looked at one by one."""
        self._prove(range(len(self._shards)))

    def read(self, names: Sequence[str], numbers: Sequence[int]) -> dict[str, np.ndarray]:
        """Rows of some arrays, in the order of `numbers`: [len(numbers), ...] each."""
        wanted = np.asarray(numbers, dtype=np.int64)
        if len(wanted) and not 0 <= wanted.min() <= wanted.max() < len(self):
            raise IndexError(f"{self.named_by}: no rows {wanted.min()} to {wanted.max()}")
        # In the order of the files: a shard is then opened once, and rows in a row read at once.
        order = wanted.argsort(kind="stable")
        own = self._stops.searchsorted(wanted[order], side="right")
        touched, starts = np.unique(own, return_index=True)
        self._prove(touched.tolist())
        found = {}
        for name in names:
            dtype, shape = self._stored(int(touched[0]) if len(touched) else 0, name).row
            found[name] = np.empty((len(wanted), *shape), dtype)
        stops = [*starts, len(order)][1:]
        for k, start, stop in zip(touched, starts, stops, strict=True):
            self._read_shard(int(k), wanted[order[start:stop]], found, order[start:stop])
        return found

    def rows(self, name: str, numbers: Sequence[int]) -> np.ndarray:
        """Rows of one array, in the order of `numbers`."""
        return self.read([name], numbers)[name]

    def _read_shard(
        self, shard: int, numbers: np.ndarray, out: dict[str, np.ndarray], places: np.ndarray
    ) -> None:
        path, first = self._paths[shard], int(self._stops[shard]) - self._shards[shard].count
        inside, places_at = (numbers - first).tolist(), places.tolist()
        with opened(path) as handle:
            state = state_of(os.fstat(handle))
            if state != self._states[shard]:
                del self._states[shard]
                self._prove([shard])
            whole = state == self._states[shard] and all(
                read_rows(handle, self._stored(shard, name), inside, array, places_at)
                for name, array in out.items()
            )
        if not whole:
            raise changed(path, self._again)

    def _prove(self, shards: Sequence[int]) -> None:
        """Make sure that shards are whole, those of which it is not known."""
        unknown = [k for k in shards if k not in self._states]
        if unknown:
            own = [self._shards[k] for k in unknown]
            self._states.update(zip(unknown, verify(self.named_by, own, self._again), strict=True))

    def _header(self, shard: int) -> dict[str, Stored]:
        if shard not in self._headers:
            self._prove([shard])
            self._headers[shard] = read_header(self._paths[shard])
        return self._headers[shard]

    def _stored(self, shard: int, name: str) -> Stored:
        header, path = self._header(shard), self._paths[shard]
        if name not in header:
            raise InputError(f"{path}: holds no {name}: this data set does not have it")
        stored = header[name]
        rows = stored.shape[0] if stored.shape else 0
        if rows != self._shards[shard].count or stored.row != self._rows.setdefault(
            name, stored.row
        ):
            raise InputError(f"{path}: {name} does not fit the other shards: {self._again}")
        return stored


class Reader(Rows):
    """The images of a split of a data set, and what is known of them."""

    def __init__(self, manifest: Manifest, split: str) -> None:
        super().__init__(manifest.path, manifest.split(split).shards, "make the data set again")
        self.manifest = manifest

    def images(self, resolution: int, numbers: Sequence[int]) -> Tensor:
        """Images uint8 [n, 3, r, r]; averaged over areas where only a larger size is stored.

        Raises InputError where no stored size is a multiple of the resolution.
        """
        size = _stored_size(self.manifest, resolution)
        stored = torch.from_numpy(self.rows(f"image_{size}", numbers))
        if size != resolution:
            parts = [shrink(part.float(), resolution).round().byte() for part in stored.split(256)]
            stored = torch.cat(parts)
        return stored.permute(0, 3, 1, 2).contiguous()

    def depth(
        self, resolution: int, numbers: Sequence[int], kind: str = "depth"
    ) -> tuple[Tensor, Tensor]:
        """Distances along the rays through pixel centres, float32 [n, r, r] with 0 for background,
        and the mask, bool [n, r, r]. kind: the arrays' name before the size.

        Only stored sizes: the mean of depths across an edge is the depth of nothing. Raises
        InputError for others.
        """
        manifest = self.manifest
        if resolution not in manifest.resolutions:
            raise InputError(
                f"{manifest.path}: no depth at {resolution} pixels "
                f"(stored: {', '.join(map(str, manifest.resolutions))}): use one of these"
            )
        return decode_depth(self.rows(f"{kind}_{resolution}", numbers), manifest)


class Images:
    """Images of some readers, counted through all of them, or those with some numbers: split like a
    tensor uint8 [n, 3, r, r], but read as they are asked for."""

    def __init__(
        self, readers: Sequence[Reader], resolution: int, numbers: Sequence[int] | None = None
    ) -> None:
        self._readers, self._resolution = list(readers), resolution
        self._stops = np.cumsum([len(reader) for reader in readers], dtype=np.int64)
        everything = range(int(self._stops[-1]) if readers else 0)
        self._numbers = np.asarray(everything if numbers is None else numbers, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._numbers)

    def split(self, size: int) -> Iterator[Tensor]:
        """The images in their order, `size` at a time."""
        for start in range(0, len(self), size):
            yield self._read(self._numbers[start : start + size])

    def _read(self, numbers: np.ndarray) -> Tensor:
        r = self._resolution
        found = torch.empty((len(numbers), 3, r, r), dtype=torch.uint8)
        start = 0
        for reader, stop in zip(self._readers, self._stops, strict=True):
            own = (start <= numbers) & (numbers < stop)
            if own.any():
                found[torch.from_numpy(own)] = reader.images(r, (numbers[own] - start).tolist())
            start = stop
        return found


def decode_depth(stored: np.ndarray, manifest: Manifest) -> tuple[Tensor, Tensor]:
    """uint16 as stored -> distances along rays, float32 with 0 for background, and the mask."""
    distances = _distances(manifest.camera.near, manifest.camera.far)
    return torch.from_numpy(distances[stored]), torch.from_numpy(stored > 0)


@cache
def _distances(near: float, far: float) -> np.ndarray:
    """The distance that each value of a uint16 stands for, float32 [65536]."""
    value = torch.arange(LEVELS + 2)
    depth = near + (value - 1).float() / LEVELS * (far - near)
    return torch.where(value > 0, depth, 0.0).numpy()


def _stored_size(manifest: Manifest, resolution: int) -> int:
    fitting = [size for size in manifest.resolutions if size % resolution == 0]
    if not fitting:
        raise InputError(
            f"{manifest.path}: no stored size is a multiple of {resolution} "
            f"(stored: {', '.join(map(str, manifest.resolutions))}): add one to its resolutions"
        )
    return min(fitting)


def load_split(manifest: Manifest, split: str, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Whole arrays of a split, for what is small or needed at once."""
    reader = Reader(manifest, split)
    return reader.read(names, range(len(reader)))


def load_images(manifest: Manifest, split: str, resolution: int) -> Tensor:
    """All images of a split: uint8 [n, 3, r, r] (see `Reader.images`)."""
    reader = Reader(manifest, split)
    found = torch.empty((len(reader), 3, resolution, resolution), dtype=torch.uint8)
    for numbers in reader.blocks():
        found[numbers.start : numbers.stop] = reader.images(resolution, numbers)
    return found


def load_depth(
    manifest: Manifest, split: str, resolution: int, kind: str = "depth"
) -> tuple[Tensor, Tensor]:
    """Depth and mask of all images of a split (see `Reader.depth`)."""
    reader = Reader(manifest, split)
    return reader.depth(resolution, range(len(reader)), kind)
