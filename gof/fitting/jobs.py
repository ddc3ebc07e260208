"""What this room is asked to do: options of verbs, and their help."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from gof.run.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class LandmarksJob:
    """`gof landmarks`."""

    data: Path
    """manifest.json of the data set"""
    regressor: Path | None = None
    """regressor.yaml, where it is the source"""
    out: Target
    """landmarks.json to write, or a folder for it; shards and a picture appear beside it"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FitsJob:
    """`gof fits`."""

    data: Path
    """manifest.json of the data set"""
    landmarks: Path
    """landmarks.json of `gof landmarks`"""
    head_model: Path
    """head_model.npz of `gof head-model`"""
    out: Target
    """JSON to write, or a folder for fits.json; fits, statistics.npz and a picture appear beside
    it"""


@dataclass(frozen=True, slots=True)
class FitJob:
    """`gof fit`."""

    image: Path
    """a photograph of one face, or a folder of them"""
    _: KW_ONLY
    head_model: Path
    """head_model.npz of `gof head-model`, or of `gof bfm`"""
    regressor: Path | None = None
    """regressor.yaml to find landmarks in a centred face"""
    landmarks: Path | None = None
    """landmarks of your own: 68 lines of x and y, pixels of the upright photograph, y down, in iBUG
    order"""
    out: Target
    """a folder for meshes, picture and record; .glb, .ply or .obj: the mesh; .png: the picture of
    the fit; a record appears beside it"""


@dataclass(frozen=True, slots=True)
class CheckDataJob:
    """`gof check-data`."""

    data: Path
    """manifest.json of a data set"""
    fits: Path | None = None
    """fits.json of `gof fits`: poses of a set that holds none"""
