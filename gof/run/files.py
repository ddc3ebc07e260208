"""Files: every write is atomic, every read of a foreign file is checked. The only writer in the
package."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import json
import os
import re
import socket
import stat
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np
import yaml

OPEN = "0" * 64  # stands where a seal will be
_SEAL = re.compile(rb"\bseal\W+([0-9a-f]{64})\b")
MAX_BYTES = 2**33  # of a file that is read whole
LARGEST = 2**40  # of one that is read in parts
MAX_YAML = 2**20  # of one that people write
_TEMPORARY = re.compile(r"\..+\.(\d+)\.tmp")
LEFT_S = 600.0  # the longest that one write may take
NPZ_BYTES = 2**30  # unpacked; a head model has some 15 MiB, a large 3DMM 300
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
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")  # see `sweep`
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


def sweep(folder: Path) -> None:
    """Remove what killed processes left half-written in a folder of ours: older than `LEFT_S`, so
    that one of another machine, whose processes are unknown here, goes on undisturbed."""
    for path in folder.glob(".*.tmp"):
        found = _TEMPORARY.fullmatch(path.name)
        with suppress(OSError):
            if found and time.time() - path.stat().st_mtime > LEFT_S and not _lives(int(found[1])):
                path.unlink()


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _write_failure(path: Path, size: int, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        stat = os.statvfs(path.parent)
        free = stat.f_bavail * stat.f_frsize
        return f"{path}: no room for {size:,} bytes ({free:,} free): free some space and run again"
    return f"{path}: cannot be written ({error.strerror}): check the folder and its permissions"


def sealed(content: bytes) -> bytes:
    """Content with its own hash in the place of the first `OPEN` behind the word seal."""
    place = _seal_of(content)
    digest = hashlib.sha256(content).hexdigest().encode()
    return content[: place.start] + digest + content[place.stop :]


def holds(content: bytes) -> bool:
    """Whether content carries the seal that `sealed` gave it and is, but for that, what it was."""
    try:
        place = _seal_of(content)
    except ValueError:
        return False
    blank = content[: place.start] + OPEN.encode() + content[place.stop :]
    return hashlib.sha256(blank).hexdigest().encode() == content[place]


def _seal_of(content: bytes) -> slice:
    found = _SEAL.search(content)
    if found is None:
        raise ValueError("no seal")
    return slice(*found.span(1))


def not_as_written(path: Path) -> InputError:
    """What to say of a file of ours that does not hold its seal."""
    return InputError(
        f"{path}: changed since it was written, or by an older version: delete it, run again"
    )


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically, with sorted keys and no NaN; a mapping with a seal."""
    if not isinstance(value, Mapping):
        return atomic_write(path, _json(value))
    atomic_write(path, sealed(_json({**value, "seal": OPEN}).encode()))


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n"


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


def read_json(path: Path) -> dict[str, Any]:
    """Read what `write_json` made of a mapping. Raises InputError naming the file, for one that
    changed since as well."""
    try:
        content = regular(path).read_bytes()
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: not valid JSON: delete it and run again") from None
    if not isinstance(value, dict) or not holds(content):
        raise not_as_written(path)
    del value["seal"]
    return value


def read_yaml(path: Path) -> Any:
    """Read a YAML file that people write. Raises InputError naming the file."""
    content = regular(path).read_bytes()
    try:
        if len(content) > MAX_YAML:
            raise ValueError(f"{len(content):,} bytes")
        return yaml.safe_load(content)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:160]
        raise InputError(f"{path}: not valid YAML: {reason}") from None


def regular(path: Path, most: int = MAX_BYTES) -> Path:
    """A path that is a file of at most so many bytes, as one of ours may have; no pipe, which would
    never end. Raises InputError for anything else."""
    try:
        found = path.stat()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file: run the step that makes it") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}): name a file") from None
    if not stat.S_ISREG(found.st_mode):
        raise InputError(f"{path}: no regular file: name a file")
    if found.st_size > most:
        raise InputError(f"{path}: {found.st_size:,} bytes, more than {most:,}")
    return path


def write_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays to one .npz atomically, a seal in its comment: a zip's own sums miss its
    directory. The bytes depend on nothing but the arrays."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    atomic_write(path, sealed(_commented(buffer.getvalue(), f"seal: {OPEN}".encode())))


def _commented(archive: bytes, comment: bytes) -> bytes:
    """A zip that ends in a comment: the two bytes of its length were the last."""
    return archive[:-2] + len(comment).to_bytes(2, "little") + comment


def write_png(path: Path, picture: np.ndarray) -> None:
    """Write a picture as PNG atomically: uint8 [height, width, 3] or, with alpha, 4; uint16 grey
    [height, width]."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "png")
    atomic_write(path, buffer.getvalue())


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """Read all arrays of what `write_npz` made; pickled objects are refused. Raises InputError
    naming the file, for one that changed since or unpacks to more than NPZ_BYTES as well."""
    try:
        content = regular(path).read_bytes()
        if not holds(content):
            raise not_as_written(path)
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            if sum(member.file_size for member in archive.zip.infolist()) > NPZ_BYTES:
                raise InputError(f"{path}: unpacks to more than {NPZ_BYTES >> 20} MiB: not ours")
            return {name: archive[name] for name in archive.files}
    except InputError:
        raise
    except Exception as error:  # numpy and zipfile raise many kinds for a damaged file
        reason = type(error).__name__
        raise InputError(
            f"{path}: damaged or not an .npz ({reason}): delete it, run again"
        ) from None


def read_npy(path: Path, most: int = 2**20) -> np.ndarray:
    """The array of an .npy file of at most so many bytes. Raises InputError naming the file."""
    try:
        return np.asarray(np.load(regular(path, most), allow_pickle=False))
    except InputError:
        raise
    except Exception as error:  # numpy raises many kinds for a damaged file
        raise InputError(f"{path}: damaged or not an .npy ({type(error).__name__})") from None


def sha256(path: Path) -> str:
    """Hash of a file's content, hexadecimal. Raises InputError when it is missing or no file."""
    with open(regular(path, LARGEST), "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


@contextmanager
def one_at_a_time(lock: Path) -> Iterator[None]:
    """Be the only process that holds this lock, a file that is gone afterwards; another one waits
    here until it is."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with open(lock, "w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if not lock.exists() or not os.path.samestat(os.fstat(handle.fileno()), lock.stat()):
                continue  # whom we waited for has taken the lock's file away
            try:
                yield
            finally:
                lock.unlink(missing_ok=True)
            return


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
