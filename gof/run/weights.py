"""The one reader of weights in PyTorch's own format.

Such files are pickles, which can hold commands instead of tensors, so none is ever handed on as a
path: a file is read once, checked, and given on as tensors; packages that open weights by
themselves are given these.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from gof.run.files import InputError

MAX_BYTES = 2**31  # of a file; the largest we know of has 350 MB
AVERAGE = "torch_ema.ema.ExponentialMovingAverage"  # a class that is not installed here


class MovingAverage:
    """What stands in for that class while a file is read: it holds what the file says, runs
    nothing."""


class CodeError(InputError):
    """A file that holds objects of a program, which only its code could open; `name`: of what."""

    def __init__(self, path: Path, name: str) -> None:
        super().__init__(
            f"{path}: not a file of weights (no pickle of tensors alone, but of {name}): delete it,"
            " get it again"
        )
        self.name = name


def read_bytes(path: Path) -> bytes:
    """The content of a weights file. Raises InputError for one that is missing or too large."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path}: more than {MAX_BYTES:,} bytes: not a file of weights")
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None


def read_weights(path: Path, content: bytes | None = None, sha256: str = "") -> dict[str, Any]:
    """Tensors by name, perhaps in nested dictionaries, from a file of `torch.save`, or from its
    content where it came out of an archive. Of a moving average of torch_ema's they are its parts,
    those in lists by their number.

    sha256: what the hash of the content must begin with. Raises InputError naming the file where
    it is another file, holds anything but tensors or numbers, or a number that is not finite;
    CodeError where it holds other objects.
    """
    content = read_bytes(path) if content is None else content
    digest = hashlib.sha256(content).hexdigest()
    if not digest.startswith(sha256):
        raise InputError(
            f"{path}: sha256 begins with {digest[: len(sha256)]}, that of the published file with"
            f" {sha256}: delete it and get it again"
        )
    value = _unpickled(path, content)
    if isinstance(value, MovingAverage):
        value = {
            name: dict(enumerate(part)) if isinstance(part, list) else part
            for name, part in vars(value).items()
        }
    if not isinstance(value, Mapping):
        raise InputError(f"{path}: holds a {type(value).__name__}, not weights by name")
    return _checked(path, "", value)


def _unpickled(path: Path, content: bytes) -> Any:
    """What torch's reader of tensors alone makes of a file's content."""
    try:
        with torch.serialization.safe_globals([(MovingAverage, AVERAGE)]):
            return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:  # its text tells how to run what the file holds
        if named := re.search(r"GLOBAL (\S+)", str(error)):
            raise CodeError(path, named[1]) from None
        raise InputError(
            f"{path}: not a file of weights (no pickle of tensors alone): delete it, get it again"
        ) from None
    except Exception as error:  # what is no pickle of ours makes torch raise many kinds
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
        raise InputError(
            f"{path}: not a file of weights ({reason}): delete it, get it again"
        ) from None


def _checked(path: Path, place: str, value: Mapping[Any, Any]) -> dict[str, Any]:
    """The tensors of a mapping; what is neither tensor nor mapping is left out."""
    found: dict[str, Any] = {}
    for name, entry in value.items():
        here = f"{place}{name}"
        if isinstance(entry, Mapping):
            found[str(name)] = _checked(path, f"{here}.", entry)
        elif isinstance(entry, Tensor):
            if entry.is_floating_point() and not bool(torch.isfinite(entry).all()):
                raise InputError(f"{path}: {here} holds numbers that are not finite")
            found[str(name)] = entry
    return found


@contextmanager
def serving(files: Mapping[str, Mapping[str, Any]], *openers: str) -> Iterator[None]:
    """Within this block `torch.load`, and the functions named in `openers` (module.function), give
    the weights `files` has under the name of the file or address they are asked for, and nothing
    else: for packages that open weights by themselves."""

    def serve(
        source: Any, map_location: Any = None, weights_only: bool = True, progress: bool = True
    ) -> Mapping[str, Any]:
        name = re.split(r"[/\\]", str(source))[-1]
        if name not in files:
            raise InputError(f"{name}: weights that nobody checked: not opened")
        return files[name]

    patches = [patch(name, serve) for name in ("torch.load", *openers)]
    for one in patches:
        one.start()
    try:
        yield
    finally:
        for one in patches:
            one.stop()
