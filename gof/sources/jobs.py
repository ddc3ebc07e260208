"""What this room is asked to do: options of verbs, and their help."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gof.run.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetJob:
    """`gof dataset`."""

    name: str
    """a name under `datasets`"""
    head_model: Path | None = None
    """head_model.npz of `gof head-model`, for rendered heads"""
    assets: tuple[Path, ...] = ()
    """JSON of `gof download`, of each file that the source needs"""
    out: Target
    """manifest.json to write, or a folder for it; the images go beside it"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareJob:
    """`gof prepare`."""

    images: Path
    """folder of photographs"""
    on_bad: Literal["fail", "skip"] = "fail"
    """skip leaves out up to 1 % bad files"""
    align: Literal["faces"] | None = None
    """faces: find the one face of each photograph and cut it out upright; the law of the camera
    follows from the poses of their landmarks"""
    out: Target
    """manifest.json to write, or a folder for it; the images go beside it"""
