"""What this room is asked to do: options of verbs, and their help."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewJob:
    """`gof view`."""

    generator: Path
    """generator.yaml of a trained stage, or heads-gof, heads-pigan, heads-cgof, which come along"""
    seed: int = 0
    """the head to begin with: that of this number on the sample sheet, from 0"""
    truncation: float = 0.7
    """psi to begin with, 0 (the mean head) to 1"""
    resolution: int | None = None
    """pixels a side when nothing moves, to begin with (default: as trained, at least 128)"""
    statistics: Path | None = None
    """statistics.npz of `gof fits`: names of components (default: what comes with heads-cgof)"""
    host: str = "127.0.0.1"
    """address to listen at; 0.0.0.0 lets in everybody who can reach this machine"""
    port: int = 8080
    """port to listen at; 0: one that is free"""
