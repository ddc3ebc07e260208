"""Tensors of ours as files (safetensors). One reader: within limits known before anything is
parsed, of kinds that we write, finite."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from gof.run.files import OPEN, InputError, holds, not_as_written, regular, sealed

LARGEST_HEADER = 2**20  # bytes; a thousand networks' worth of names
KINDS = (torch.float32, torch.int64)


def tensor_bytes(tensors: Mapping[str, Tensor]) -> bytes:
    """A file of tensors on the CPU, with a seal. The bytes depend on nothing but the tensors."""
    whole = {name: tensor.contiguous() for name, tensor in tensors.items()}
    return sealed(safetensors.torch.save(whole, {"gof": f"seal {OPEN}"}))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """What `tensor_bytes` made. Raises InputError naming the file, for one that changed since as
    well."""
    content = regular(path).read_bytes()
    found = unpacked(path, content)
    if not holds(content):
        raise not_as_written(path)
    return found


def unpacked(path: Path, content: bytes) -> dict[str, Tensor]:
    """The tensors of a safetensors file with this content, whose seal or hash the caller looks at.
    Raises InputError naming the file."""
    size = int.from_bytes(content[:8], "little")
    if size > LARGEST_HEADER:
        reason = f"a header of {size:,} bytes"
        raise InputError(f"{path}: damaged or no safetensors file ({reason})")
    try:
        found: dict[str, Tensor] = safetensors.torch.load(content)
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{path}: damaged or no safetensors file ({reason})") from None
    for name, tensor in found.items():
        if tensor.dtype not in KINDS:
            raise InputError(f"{path}: {name} holds {tensor.dtype}: no file of gof's")
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise InputError(f"{path}: {name} holds numbers that are not finite")
    return found


def fill(module: nn.Module, tensors: Mapping[str, Any], path: Path) -> None:
    """Load tensors that came from a file into a module. Raises InputError, naming the file, for
    those of another network."""
    own = module.state_dict()
    kinds = {name: value.dtype for name, value in tensors.items() if isinstance(value, Tensor)}
    odd = [name for name, kind in kinds.items() if name in own and kind != own[name].dtype]
    try:
        if odd:
            raise RuntimeError(f'"{odd[0]}"')
        module.load_state_dict(tensors)
    except (RuntimeError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())
        named = re.search(r'"([^"]+)"', reason)
        what = f"it lacks or mistakes {named[1]}" if named else reason[:120]
        raise InputError(f"{path}: weights of another network ({what}): get it again") from None
