"""A network as two files: a description (YAML) and beside it the weights (safetensors), which it
names and whose hash it holds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from torch import nn

from gof.run.files import (
    OPEN,
    InputError,
    atomic_write,
    holds,
    not_as_written,
    read_yaml,
    regular,
    sealed,
    sha256,
)
from gof.run.tensors import fill, tensor_bytes, unpacked

N = TypeVar("N", bound=nn.Module)


def write_description(path: Path, info: dict[str, Any]) -> None:
    """Write a description with a seal."""
    text = yaml.safe_dump({**info, "seal": OPEN}, sort_keys=False)
    atomic_write(path, sealed(text.encode()))


@dataclass(frozen=True, slots=True)
class NetworkFile:
    """One kind of such files. name: what errors call it; format: the one this version reads; made:
    what to do where there is none."""

    name: str
    format: int
    made: str

    def save(self, path: Path, network: nn.Module, info: dict[str, Any]) -> None:
        """Write `path`, what it says besides in `info`, and before it the weights."""
        weights = path.with_suffix(".safetensors")
        atomic_write(weights, tensor_bytes(network.state_dict()))
        own = {"format": self.format, "weights": weights.name, "sha256": sha256(weights)}
        write_description(path, own | info | own)  # `info` may be that of another file

    @contextmanager
    def described(self, path: Path) -> Iterator[dict[str, Any]]:
        """The description. Raises InputError where it is missing, of another format or changed
        since it was written, and for a KeyError, TypeError or ValueError of the block that makes
        something of it."""
        if not path.exists():
            raise InputError(f"{path}: no such {self.name}: {self.made}")
        try:
            info = read_yaml(path)
            if info["format"] != self.format:
                raise InputError(
                    f"{path}: format {info['format']}, this version reads {self.format}"
                )
            if not holds(path.read_bytes()):
                raise not_as_written(path)
            yield info
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            reason = " ".join(str(error).split())[:160]
            raise InputError(f"{path}: no description of a {self.name} ({reason})") from None

    def filled(self, network: N, path: Path, info: dict[str, Any]) -> N:
        """The network with the weights of a description, to be used, not trained. Raises InputError
        where they are missing, damaged or another network's."""
        weights = path.parent / Path(str(info["weights"])).name
        content = regular(weights).read_bytes()
        if hashlib.sha256(content).hexdigest() != info["sha256"]:
            raise InputError(f"{weights}: content does not match {path.name}: make both again")
        fill(network, unpacked(weights, content), weights)
        return network.eval().requires_grad_(False)
