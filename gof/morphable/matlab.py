"""MATLAB files, read in a process of its own: scipy's reader may be killed by a damaged one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gof.run.children import pool


def names_in(path: Path) -> set[str]:
    """Names of the arrays. Raises whatever scipy does."""
    found: set[str] = _apart(_names, path)
    return found


def arrays_in(path: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    """The named arrays, as far as they are there. Likewise."""
    found: dict[str, np.ndarray] = _apart(_arrays, path, list(names))
    return found


def arrays_of(paths: Sequence[Path], names: Sequence[str]) -> Iterator[dict[str, np.ndarray]]:
    """Those of each of many small files, in order; all by one process. Likewise."""
    with pool(1) as other:
        yield from other.map(partial(_arrays, names=list(names)), paths, chunksize=64)


def _apart(read: Callable[..., Any], *given: Any) -> Any:
    with pool(1) as other:
        return other.submit(read, *given).result()


def _names(path: Path) -> set[str]:
    from scipy.io import whosmat

    return {name for name, _, _ in whosmat(str(path), appendmat=False)}


def _arrays(path: Path, names: list[str]) -> dict[str, np.ndarray]:
    from scipy.io import loadmat

    found = loadmat(str(path), appendmat=False, variable_names=names)
    return {name: found[name] for name in names if name in found}
