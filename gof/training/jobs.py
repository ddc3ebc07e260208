"""What this room is asked to do."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from gof.fields.registry import FIELDS
from gof.run.files import sha256
from gof.run.provenance import stage_code

if TYPE_CHECKING:
    from gof.experiment.config import Config
    from gof.training.conditioner import Loader


@dataclass(frozen=True, slots=True, kw_only=True)
class StageJob:
    """A stage of a model to train."""

    model: str
    """a name under `models`"""
    stage: int = 0
    """number of the stage"""
    seed: int = 0
    """training seed"""
    data: Path
    """manifest.json of the data set"""
    previous: Path | None = None
    """state.safetensors of the stage before"""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """what it runs on"""
    out: Path
    """folder to write"""

    def inputs(self, loader: Loader | None = None) -> dict[str, Path]:
        """Files the result depends on; loader of a conditional model."""
        files = {"data": self.data}
        files |= {"previous": self.previous} if self.previous else {}
        return files | (loader.files if loader else {})

    def fingerprint(self, config: Config, loader: Loader | None = None) -> str:
        """Names everything that determines the result; not the number of processes."""
        model = config.models[self.model]
        digest = hashlib.sha256(model.upto(self.stage).model_dump_json().encode())
        for name, path in sorted(self.inputs(loader).items()):
            digest.update(f"{name} {sha256(path)}".encode())
        field = FIELDS[model.field.name].module
        code = stage_code(loader is not None, field) if config.track_code else ""
        digest.update(f"{self.model} {self.stage} {self.seed} {code}".encode())
        return digest.hexdigest()[:16]
