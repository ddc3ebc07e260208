"""What this room is asked to do: options of verbs, and their help."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gof.run.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class BfmJob:
    """`gof bfm`."""

    mat: Path
    """BFM_model_front.mat, or 01_MorphableModel.mat with its companions"""
    out: Target
    """model file to write (.npz), or a folder for bfm.npz; a JSON and a picture appear beside it"""
