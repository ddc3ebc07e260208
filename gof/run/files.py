"""Files: every write is atomic, every read of a foreign file is checked. The only writer in the
package."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import json
import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np

NOT_RESUMED = 75  # exit status of a job that stopped early and goes on when called again
# What a running job has to say before a file is written (`gof.run.outputs`): it raises InputError.
VETO: ContextVar[Callable[[Path], None] | None] = ContextVar("VETO", default=None)


class InputError(ValueError):
    """Something given from outside cannot be used; the text is one line: what, where, what to
    do."""


class MachineError(InputError):
    """The machine cannot do it now (disk, memory, network, device); the same call may succeed
    later."""


def atomic_write(path: Path, content: bytes | str) -> None:
    """Write a file so that it is either whole or absent: a temporary file beside it, flushed,
    renamed.

    Raises MachineError when the disk is full or the folder is not writable, and InputError where
    the file is not ours to replace; an older file is then untouched.
    """
    if (veto := VETO.get()) is not None:
        veto(path)
    payload = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as handle:
            handle.write(payload)
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise MachineError(_write_failure(path, len(payload), error)) from None


def _write_failure(path: Path, size: int, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        stat = os.statvfs(path.parent)
        free = stat.f_bavail * stat.f_frsize
        return f"{path}: no room for {size:,} bytes ({free:,} free): free some space and run again"
    return f"{path}: cannot be written ({error.strerror}): check the folder and its permissions"


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically, with sorted keys and no NaN."""
    atomic_write(path, json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")


def append_json(path: Path, value: Any) -> None:
    """Add one line of JSON to a log of events in a single write: a kill may cut the last line,
    never an earlier one.

    Raises OSError; a log is not worth stopping a job for, so the caller decides.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "ab+", buffering=0) as handle:
        size = handle.seek(0, os.SEEK_END)
        handle.seek(max(size - 1, 0))
        torn = size and handle.read(1) != b"\n"
        handle.write((b"\n" if torn else b"") + json.dumps(value).encode() + b"\n")


def read_json(path: Path) -> Any:
    """Read a JSON file. Raises InputError naming the file."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise InputError(f"{path}: no such file: run the step that makes it") from None
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise InputError(f"{path}: not valid JSON: delete it and run again") from None


def write_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays to one .npz atomically; the bytes depend on nothing but the arrays."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    atomic_write(path, buffer.getvalue())


def write_png(path: Path, picture: np.ndarray) -> None:
    """Write a picture [height, width, 3] uint8 as PNG atomically."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "png")
    atomic_write(path, buffer.getvalue())


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """Read all arrays of an .npz; pickled objects are refused. Raises InputError naming the
    file."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise InputError(f"{path}: no such file: run the step that makes it") from None
    except Exception as error:  # numpy and zipfile raise many kinds for a damaged file
        reason = type(error).__name__
        raise InputError(
            f"{path}: damaged or not an .npz ({reason}): delete it, run again"
        ) from None


def sha256(path: Path) -> str:
    """Hash of a file's content, hexadecimal. Raises InputError when it is missing."""
    try:
        with open(path, "rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file: run the step that makes it") from None


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold a folder for this process alone, by a lock that ends with the process.

    Raises InputError at once when another process holds it, naming that process.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.seek(0)
            holder = handle.read().strip() or "another process"
            raise InputError(f"{folder}: in use by {holder}: wait for it or stop it") from None
        handle.truncate(0)
        handle.write(f"process {os.getpid()} on {socket.gethostname()}")
        handle.flush()
        yield


def say(message: str) -> None:
    """One line for the person or the log that follows the job."""
    print(message, file=sys.stderr, flush=True)
