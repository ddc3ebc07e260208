"""Face regressors on disk: a description (YAML) and weights (safetensors) beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import safetensors.torch
import yaml
from safetensors import SafetensorError

from gof.readers.convnet import ConvRegressor
from gof.readers.deep3d import Deep3D
from gof.readers.interface import FaceRegressor, Reading
from gof.run.files import InputError, atomic_write, sha256

__all__ = ["FaceRegressor", "Reading", "load_regressor", "save_regressor"]

FORMAT = 1


def save_regressor(path: Path, network: FaceRegressor, info: dict[str, Any]) -> None:
    """Write `path` (YAML) and the weights beside it (.safetensors, written first)."""
    weights = path.with_suffix(".safetensors")
    state = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    atomic_write(weights, safetensors.torch.save(state))
    built: dict[str, Any] = {"network": "deep3d"}
    if isinstance(network, ConvRegressor):
        built = {"network": "convolutional", "coefficients": network.coefficients}
        built["width"] = network.width
    described = {"format": FORMAT, "weights": weights.name, "sha256": sha256(weights)}
    atomic_write(path, yaml.safe_dump(described | built | info, sort_keys=False))


def _build(info: dict[str, Any]) -> FaceRegressor:
    """An untrained network of a description. Raises ValueError for an unknown one."""
    if info["network"] == "convolutional":
        return ConvRegressor(info["coefficients"], info["width"])
    if info["network"] == "deep3d":
        return Deep3D()
    raise ValueError(f"network {info['network']!r}: convolutional and deep3d are known")


def load_regressor(path: Path) -> FaceRegressor:
    """Read a regressor, frozen. Raises InputError when a file is missing, damaged or of another
    format."""
    try:
        info = yaml.safe_load(path.read_text())
        if info["format"] != FORMAT:
            raise InputError(f"{path}: format {info['format']}, this version reads {FORMAT}")
        weights, digest = path.parent / info["weights"], info["sha256"]
        network = _build(info)
    except FileNotFoundError:
        raise InputError(f"{path}: no such regressor: train one (gof regressor)") from None
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{path}: not a regressor's description ({reason})") from None
    if sha256(weights) != digest:
        raise InputError(f"{weights}: content does not match {path.name}: damaged, train it again")
    try:
        network.load_state_dict(safetensors.torch.load_file(weights))
    except (SafetensorError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{weights}: cannot be read as these weights: {reason}") from None
    return network.eval().requires_grad_(False)
