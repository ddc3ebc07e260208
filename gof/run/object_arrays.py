"""The one reader of .npz files that hold objects. Such members are pickles, which can hold
commands, so nothing is rebuilt but arrays, numbers and Python's own containers."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from gof.run.files import NPZ_BYTES, InputError, regular

MEMBERS = 64


class _Array:
    """Stands where a pickle names numpy's class of arrays; `_empty` ignores it."""


def _empty(kind: object, shape: object, code: object) -> np.ndarray:
    """What arrays are before their state is set."""
    return np.empty(0)


def _scalar(kind: np.dtype, content: bytes) -> Any:
    return np.frombuffer(content, kind)[0]


def _bytes(text: str, encoding: str) -> bytes:
    return text.encode("latin1")


REBUILT = {
    "numpy.ndarray": _Array,
    "numpy.dtype": np.dtype,
    **{f"numpy.{core}.multiarray._reconstruct": _empty for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray.scalar": _scalar for core in ("core", "_core")},
    "_codecs.encode": _bytes,
}


class _Unpickler(pickle.Unpickler):
    """Knows what REBUILT names and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """See `pickle.Unpickler`."""
        if (found := REBUILT.get(f"{module}.{name}")) is None:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is none")
        return found


def read_objects(path: Path) -> dict[str, Any]:
    """The members of an .npz by name: arrays, and of those that hold a single object that one.
    Raises InputError naming the file where it is none, too large, or names anything but arrays,
    numbers and containers."""
    try:
        with zipfile.ZipFile(regular(path, NPZ_BYTES)) as archive:
            members = archive.infolist()
            if len(members) > MEMBERS or sum(m.file_size for m in members) > NPZ_BYTES:
                raise InputError(f"{path}: more than {NPZ_BYTES >> 20} MiB or {MEMBERS} arrays")
            return {m.filename.removesuffix(".npy"): _member(archive.read(m)) for m in members}
    except InputError:
        raise
    except Exception as error:  # zipfile, numpy and pickle raise many kinds for a damaged file
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise InputError(f"{path}: not an .npz of arrays and numbers ({reason})") from None


def _member(content: bytes) -> Any:
    stream = io.BytesIO(content)
    version = npy.read_magic(stream)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    if not read(stream)[2].hasobject:
        return npy.read_array(io.BytesIO(content), allow_pickle=False)
    found = _Unpickler(stream).load()
    return found.item() if isinstance(found, np.ndarray) and found.size == 1 else found
