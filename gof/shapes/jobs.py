"""What this room is asked to do: options of verbs, and their help."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gof.run.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class MeshJob:
    """`gof mesh`."""

    generator: Path
    """generator.yaml of a trained stage, or heads-gof, heads-pigan, heads-cgof, which come along"""
    seeds: str | None = None
    """which heads, like 0-3,7 (default: as many as `meshes` has, from 0, and one where --out is
    one)"""
    truncation: float | None = None
    """psi, 0 (the mean head) to 1 (default: that of `meshes`)"""
    resolution: int | None = None
    """grid points a side (default: that of `meshes`)"""
    out: Target
    """.glb, .ply or .obj: the mesh of one head; .html: a page to turn them all; a folder or
    .json: all meshes, the page and their record, which lies beside the others too"""
