"""What this room is asked to do: options of verbs, and their help."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gof.run.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadModelJob:
    """`gof head-model`."""

    name: str = "heads"
    """its data set, a name under `datasets`"""
    asset: Path
    """JSON of `gof download --asset head`"""
    out: Target
    """head_model.npz to write, or a folder for it; a JSON and a picture appear beside it"""
