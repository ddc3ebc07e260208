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
    out: Target
    """.glb, .ply or .obj: the mesh of the first head; .html: a page to turn them all; a folder or
    .json: all meshes, the page and their record, which lies beside the others too"""
