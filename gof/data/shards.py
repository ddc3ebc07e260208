"""Shards: files of arrays over n images, uncompressed, so that any rows can be read on their own.

A shard is a safetensors file. Rows are read at their offsets rather than through a memory map: what
many processes read is then held once, by the system, and counts for none of them.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from gof.run.files import InputError, atomic_write, regular

SUFFIX = ".safetensors"
SHARDS = f"*-*.{'[0-9a-f]' * 12}.*"  # names of shards, as `write_shard` makes them, of any format
LARGEST_HEADER = 2**20  # bytes; ours have a few hundred
Arrays = dict[str, np.ndarray]  # by name: of an image, or of n, one after the other
DTYPES = {
    "BOOL": np.dtype(bool),
    "U8": np.dtype(np.uint8),
    "I8": np.dtype(np.int8),
    "U16": np.dtype("<u2"),
    "F16": np.dtype("<f2"),
    "F32": np.dtype("<f4"),
    "F64": np.dtype("<f8"),
    "I64": np.dtype("<i8"),
}


@dataclass(frozen=True, slots=True)
class Shard:
    """One file of a split, beside the file that names it."""

    file: str
    count: int
    bytes: int
    sha256: str

    def __post_init__(self) -> None:
        beside = Path(self.file).name == self.file not in ("", "..")
        if not beside or not isinstance(self.count, int) or self.count < 1:
            raise ValueError(f"{self.file[:80]!r} is no shard")


Row = tuple[np.dtype[Any], tuple[int, ...]]  # dtype and shape of a row


@dataclass(frozen=True, slots=True)
class Stored:
    """Where an array lies in its file: dtype, shape, and the offset of its first byte."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int

    @property
    def row(self) -> Row:
        """What the rows of shards must have in common."""
        return self.dtype, self.shape[1:]

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        return self.dtype.itemsize * math.prod(self.shape[1:])


def write_shard(path: Path, arrays: Mapping[str, np.ndarray]) -> Shard:
    """Write the arrays of n images; the bytes depend on nothing but the arrays.

    The file is named after `path` and its content (`train-000` becomes
    `train-000.0123456789ab.safetensors`), so that no shard of an older data set is touched before
    the manifest names the new ones.
    """
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    content = safetensors.numpy.save(whole)
    digest = hashlib.sha256(content).hexdigest()
    file = path.with_name(f"{path.name}.{digest[:12]}{SUFFIX}")
    atomic_write(file, content)
    return Shard(file.name, len(next(iter(arrays.values()))), len(content), digest)


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """A file to read. Raises InputError when it cannot be read."""
    try:
        handle = os.open(regular(path), os.O_RDONLY | os.O_CLOEXEC)
        try:
            yield handle
        finally:
            os.close(handle)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}): check the file") from None


def read_header(path: Path) -> dict[str, Stored]:
    """Which arrays a shard holds, and where. Raises InputError for a file that is no whole shard,
    or holds what no shard does."""
    with opened(path) as handle:
        size = int.from_bytes(os.pread(handle, 8, 0), "little")
        header = os.pread(handle, size, 8) if size <= LARGEST_HEADER else b""
    try:
        if not header:
            raise ValueError(f"a header of {size} bytes")
        # The library sees to it that the arrays fill the file, without gaps or overlaps.
        with safetensors.safe_open(path, "numpy"):
            pass
        entries = json.loads(header)
        entries.pop("__metadata__", None)
        return {
            name: Stored(
                DTYPES[entry["dtype"]], tuple(entry["shape"]), 8 + size + entry["data_offsets"][0]
            )
            for name, entry in entries.items()
        }
    except (safetensors.SafetensorError, OSError, KeyError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(
            f"{path}: damaged or no shard ({type(error).__name__}: {reason}): make it again"
        ) from None


def read_rows(
    handle: int, stored: Stored, numbers: Sequence[int], out: np.ndarray, places: Sequence[int]
) -> bool:
    """Read rows `numbers` of an array into the rows `places` of a contiguous array; False where the
    file ends before."""
    target = out.reshape(-1).view(np.uint8).data
    size, k = stored.row_bytes, 0
    while k < len(numbers):
        stop = k + 1  # rows that follow each other are read at once
        while stop < len(numbers) and (
            numbers[stop] == numbers[stop - 1] + 1 and places[stop] == places[stop - 1] + 1
        ):
            stop += 1
        first, length = places[k] * size, (stop - k) * size
        if not _fill(
            handle, target[first : first + length], stored.offset + int(numbers[k]) * size
        ):
            return False
        k = stop
    return True


def load_shard(path: Path) -> dict[str, np.ndarray]:
    """All arrays of a shard, also those that are not of n images. Raises InputError for a file that
    is no whole shard."""
    found, header = {}, read_header(path)
    with opened(path) as handle:
        for name, stored in header.items():
            found[name] = np.empty(stored.shape, stored.dtype)
            target = found[name].reshape(-1).view(np.uint8).data
            if not _fill(handle, target, stored.offset):
                raise InputError(f"{path}: ends too early: make it again")
    return found


def _fill(handle: int, target: memoryview, offset: int) -> bool:
    done = 0
    while done < len(target):  # one call reads 2 GiB at most
        got = os.preadv(handle, [target[done:]], offset + done)
        if got == 0:
            return False
        done += got
    return True
