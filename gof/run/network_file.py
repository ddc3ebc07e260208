"""A network as two files: a description (YAML) and beside it the weights (safetensors), which it
names and whose hash it holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import safetensors.torch
import yaml
from safetensors import SafetensorError
from torch import nn

from gof.run.files import InputError, atomic_write, sha256

N = TypeVar("N", bound=nn.Module)


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
        state = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
        atomic_write(weights, safetensors.torch.save(state))
        own = {"format": self.format, "weights": weights.name, "sha256": sha256(weights)}
        atomic_write(path, yaml.safe_dump(own | info, sort_keys=False))

    @contextmanager
    def described(self, path: Path) -> Iterator[dict[str, Any]]:
        """The description. Raises InputError where it is missing or of another format, and for a
        KeyError, TypeError or ValueError of the block that makes something of it."""
        try:
            info = yaml.safe_load(path.read_text())
            if info["format"] != self.format:
                raise InputError(
                    f"{path}: format {info['format']}, this version reads {self.format}"
                )
            yield info
        except FileNotFoundError:
            raise InputError(f"{path}: no such {self.name}: {self.made}") from None
        except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            reason = " ".join(str(error).split())[:160]
            raise InputError(f"{path}: no description of a {self.name} ({reason})") from None

    def filled(self, network: N, path: Path, info: dict[str, Any]) -> N:
        """The network with the weights of a description, to be used, not trained. Raises InputError
        where they are missing, damaged or another network's."""
        weights = path.parent / str(info["weights"])
        if sha256(weights) != info["sha256"]:
            raise InputError(f"{weights}: content does not match {path.name}: make both again")
        try:
            network.load_state_dict(safetensors.torch.load_file(weights))
        except (SafetensorError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"{weights}: cannot be read as these weights: {reason}") from None
        return network.eval().requires_grad_(False)
