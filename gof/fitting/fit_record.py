"""The record of a fitted photograph (fit.json): what was found, as numbers, to be read again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gof.fitting.fit import Fits
from gof.morphable.coefficients import BLOCKS, Coefficients
from gof.run.files import InputError, read_json, sha256

Faces = tuple[Coefficients, Tensor]  # of n faces, and their poses [n, 2], radians


def numbers_of(fits: Fits) -> dict[str, Any]:
    """The first of some fits."""
    return {
        "landmark_residual_percent": float(fits.residual[0]),
        "colour_residual": float(fits.colour_residual[0]),
        "pose_rad": fits.pose[0].tolist(),
        "roll_rad": float(fits.placement.roll[0]),
        "shift": fits.placement.shift[0].tolist(),
        **{name: getattr(fits.coefficients, name)[0].tolist() for name in BLOCKS},
    }


def read_faces(records: Sequence[Path], head_model: Path) -> Faces:
    """The faces of fitted photographs. Raises InputError, naming the file, for what is no record of
    `gof fit`, or one of another head model."""
    model, rows = sha256(head_model), []
    for path in records:
        record = read_json(path)
        if record.get("kind") != "fit":
            raise InputError(f"{path}: no record of `gof fit`: name its fit.json")
        if record["inputs"]["head_model"] != model:
            raise InputError(f"{path}: was fitted with another head model than {head_model}")
        rows.append(record["numbers"])
    blocks = [_column(rows, name) for name in BLOCKS]
    return Coefficients(*blocks), _column(rows, "pose_rad")


def _column(rows: Sequence[dict[str, Any]], name: str) -> Tensor:
    return torch.tensor([row[name] for row in rows])
