"""What this room is asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

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
    extend: bool = False
    """go on from the end, or a checkpoint, of the same stage with fewer steps"""
    out: Path
    """folder to write"""

    def inputs(self, loader: Loader | None = None) -> dict[str, Path]:
        """Files the result depends on; loader of a conditional model."""
        files = {"data": self.data}
        files |= {"previous": self.previous} if self.previous else {}
        return files | (loader.files if loader else {})

    def decides(self, config: Config, loader: Loader | None = None) -> dict[str, Any]:
        """All that the result depends on; not the number of processes."""
        model = config.models[self.model]
        field = FIELDS[model.field.name].module
        return {
            "model": model.upto(self.stage).model_dump(mode="json"),
            "files": {name: sha256(path) for name, path in self.inputs(loader).items()},
            "code": stage_code(loader is not None, field) if config.track_code else "",
            "name": self.model,
            "stage": self.stage,
            "seed": self.seed,
        }
