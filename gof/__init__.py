"""Generative Occupancy Fields: 3D shapes learnt from single-view images."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from gof.pictures.api import Heads

__version__ = "0.1.0"


def load(generator: str | Path, device: str = "auto") -> Heads:
    """A trained generator: `gof.load("heads-gof")(seed=3, yaw=0.3).image()`. See
    `gof.pictures.api.Heads.load`."""
    heads: type[Heads] = import_module("gof.pictures.api").Heads  # torch waits until it is needed
    return heads.load(generator, device)
