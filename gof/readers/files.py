"""Face regressors on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gof.readers.convnet import ConvRegressor
from gof.readers.deep3d import Deep3D
from gof.readers.interface import FaceRegressor, Reading
from gof.run.network_file import NetworkFile

__all__ = ["FaceRegressor", "Reading", "load_regressor", "save_regressor"]

FILE = NetworkFile("regressor", 2, "train one (gof regressor)")


def save_regressor(path: Path, network: FaceRegressor, info: dict[str, Any]) -> None:
    """Write `path` (YAML) and the weights beside it (.safetensors, written first)."""
    built: dict[str, Any] = {"network": "deep3d"}
    if isinstance(network, ConvRegressor):
        built = {"network": "convolutional", "coefficients": network.coefficients}
        built["width"] = network.width
    FILE.save(path, network, built | info)


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
    with FILE.described(path) as info:
        network = _build(info)
    return FILE.filled(network, path, info)
