"""What this room is asked to do: options of verbs, and their help."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gof.run.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplesJob:
    """`gof samples`."""

    generator: Path
    """generator.yaml of a trained stage, or heads-gof, heads-pigan, heads-cgof, which come along"""
    out: Target
    """.png: the sheet; .gif: the turntable; a folder or .json: both and their record, which lies
    beside one alone too"""


@dataclass(frozen=True, slots=True, kw_only=True)
class EditJob:
    """`gof edit`. Head model and statistics go together: they give the components their names and
    show the mesh too."""

    generator: Path
    """generator.yaml of a trained stage, or heads-gof, heads-pigan, heads-cgof, which come along"""
    factor: str
    """shape, expression, albedo, light, pose, free_geometry or free_texture"""
    component: str | None = None
    """number or name of what of it changes (default: 0, or yaw)"""
    range: tuple[float, float] | None = None
    """standard deviations (default: -2 2) or radians (default: -0.5 0.5)"""
    seed: int = 0
    """which head"""
    frames: int | None = None
    """how many pictures (default: 7 on a sheet, 24 in a video)"""
    truncation: float = 1.0
    """psi, 0 to 1"""
    head_model: Path | None = None
    """head_model.npz: names of components, the mesh too"""
    statistics: Path | None = None
    """statistics.npz of `gof fits`, likewise"""
    out: Path
    """picture to write: .png, .gif or .mp4; a record appears beside it"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowControlJob:
    """`gof show-control`."""

    generator: Path
    """generator.yaml of a trained stage, or heads-gof, heads-pigan, heads-cgof, which come along"""
    head_model: Path
    """head_model.npz of `gof head-model`"""
    statistics: Path
    """statistics.npz of `gof fits`"""
    out: Target
    """control.json to write, or a folder for it; pictures appear beside it"""
