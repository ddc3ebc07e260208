"""What this room is asked to do: options of verbs, and their help."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gof.run.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplesJob:
    """`gof samples`."""

    generator: Path
    """generator.yaml of a trained stage, or heads-gof, heads-pigan, heads-cgof, which come along"""
    seeds: str | None = None
    """which heads, like 0-3,7 (default: as many as `samples` has, from 0)"""
    truncation: float | None = None
    """psi, 0 (the mean head) to 1 (default: that of `samples`)"""
    resolution: int | None = None
    """pixels a side of a head (default: that of `samples`, else as trained, at least 64)"""
    out: Target
    """.png: the sheet; .gif: the turntable; a folder or .json: both and their record, which lies
    beside one alone too"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderJob:
    """`gof render`."""

    generator: Path
    """generator.yaml of a trained stage, or heads-gof, heads-pigan, heads-cgof, which come along"""
    seeds: str = "0-7"
    """which heads, like 0-3,7: those of these numbers on the sample sheet, from 0"""
    yaw: tuple[float, ...] = (0.0,)
    """radians, several for as many pictures of each head"""
    pitch: float = 0.0
    """radians, up"""
    resolution: int | None = None
    """pixels a side (default: as trained, at least 64)"""
    truncation: float = 0.7
    """psi, 0 (the mean head) to 1"""
    alpha: bool = False
    """pictures with an alpha channel: how much of each ray the head takes"""
    depth: bool = False
    """seedNNNN-depth.png too: 16 bits, 65535 is 2 camera radii along the ray, 0 nothing"""
    normals: bool = False
    """seedNNNN-normal.png too: (n + 1) / 2, world space, white where nothing is"""
    out: Target
    """folder to write to"""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoJob:
    """`gof video`."""

    generator: Path
    """generator.yaml of a trained stage, or heads-gof, heads-pigan, heads-cgof, which come along"""
    seeds: str = "0-3"
    """which heads, like 0-3,7"""
    path: Literal["swing", "orbit", "seeds", "expressions"] = "swing"
    """swing: side by side, seen from side to side; orbit: from all around; seeds: one after the
    other, each becoming the next; expressions: the first, with the expressions of all in turn"""
    frames: int = 48
    """how many; it ends where it began"""
    yaw: float = 0.5
    """farthest to a side, radians"""
    resolution: int | None = None
    """pixels a side of a head (default: as trained, at least 64)"""
    truncation: float = 0.7
    """psi, 0 (the mean head) to 1"""
    normals: bool = False
    """normals below the colours"""
    out: Path
    """.webm (VP9, which browsers play), .mp4 (H.264 with gof[video], else VP9), .webp or .gif; a
    record appears beside it"""


@dataclass(frozen=True, slots=True, kw_only=True)
class EditJob:
    """`gof edit`. Statistics give the components their names and the strongest its number 0; with a
    head model the mesh is shown, too, and photographs can drive the head."""

    generator: Path
    """generator.yaml of a trained stage, or heads-gof, heads-pigan, heads-cgof, which come along"""
    factor: tuple[str, ...]
    """shape, expression, albedo, light, pose, free_geometry or free_texture; with --like several"""
    like: tuple[Path, ...] = ()
    """fit.json of `gof fit`, several for as many pictures: the head takes these factors of the
    photographs' faces, whose frames then drive it"""
    component: str | None = None
    """number, the strongest first, or name of what of it changes (default: 0, or yaw)"""
    range: tuple[float, float] | None = None
    """standard deviations (default: -2 2) or radians (default: -0.5 0.5)"""
    seed: int = 0
    """which head: that of this number on the sample sheet, from 0"""
    frames: int | None = None
    """how many pictures (default: 7 on a sheet, 24 in a video)"""
    truncation: float = 1.0
    """psi, 0 to 1"""
    resolution: int | None = None
    """pixels a side of a head (default: as trained, at least 64)"""
    head_model: Path | None = None
    """head_model.npz: shows the mesh too; needed for --like"""
    statistics: Path | None = None
    """statistics.npz of `gof fits` (default: what comes with heads-cgof)"""
    out: Path
    """picture to write: .png, .webm, .mp4, .webp or .gif; a record appears beside it"""


@dataclass(frozen=True, slots=True, kw_only=True)
class InvertJob:
    """`gof invert`."""

    image: Path
    """a photograph"""
    generator: Path
    """generator.yaml of a trained stage, or heads-gof, heads-pigan, heads-cgof, which come along"""
    align: Literal["faces"] | None = None
    """faces: find the one face and bring it to where those of rendered heads lie"""
    steps: int = 200
    """of the search for style and pose"""
    tuning: int = 100
    """steps in which the generator is tuned to the photograph"""
    prior: float | None = None
    """how much the head has to be like those that the generator knows (default: 0.03; with --align
    faces 1, since people are not like its heads)"""
    out: Target
    """a folder: generator.yaml, whose mean head is the one found (show it with --truncation 0),
    inversion.png, and the record"""


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
