"""Work that goes on in halves where memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Protocol, Self, TypeVar

from gof.run.files import say


class Whole(Protocol):
    """What can be cut: a tensor, or rays."""

    def chunk(self, parts: int, dim: int) -> Sequence[Self]:
        """In so many parts along a dimension; fewer where it has fewer rows."""


W = TypeVar("W", bound=Whole)


def lacks_memory(error: BaseException) -> bool:
    """Whether Python, a GPU, or torch on a CPU, which has no class for it, ran out of memory."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and "allocate memory" in str(error)


def in_parts(work: Callable[[W], Any], whole: W, dim: int = 0) -> Any:
    """work(whole), or where memory does not take it, the same of halves along `dim`, joined: for
    work whose result, a tensor or a tuple of tensors, has a row for each row given. Raises what the
    work raises for a single row."""
    try:
        return work(whole)
    except (MemoryError, RuntimeError) as error:
        if not lacks_memory(error) or len(whole.chunk(2, dim)) < 2:
            raise
    # Outside of the handler, whose traceback holds on to what was made before memory ran out.
    _tell()
    first, second = (in_parts(work, half, dim=dim) for half in whole.chunk(2, dim))
    return _joined(first, second, dim)


@cache
def _tell() -> None:
    say("out of memory: goes on in smaller parts, which takes longer")


def _joined(first: Any, second: Any, dim: int) -> Any:
    """Two tensors, or tuples of them, one after the other."""
    import torch

    if isinstance(first, tuple):
        return tuple(torch.cat(pair, dim) for pair in zip(first, second, strict=True))
    return torch.cat((first, second), dim)
