"""What this room is asked to do: options of verbs, and their help."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Literal

from gof.run.target import Target

Method = Literal["gof", "pigan", "cgof"]
Kind = Literal["statistics", "fits", "detections"]
Trained = Literal["bfm", "celeba", "cats", "carla"]


@dataclass(frozen=True, slots=True)
class ImportJob:
    """`gof import`."""

    method: Method
    """whose weights they are: gof, pigan or cgof"""
    _: KW_ONLY
    weights: Path
    """ema.pth, which the authors' scripts show, or GOF's generator.pth"""
    options: Path | None = None
    """options.txt, which lies beside the weights: what they were trained with"""
    dataset: Trained | None = None
    """without options.txt: what they were trained on, bfm, celeba, cats or carla, by the released
    settings"""
    protocol: Literal["pictures", "metrics"] = "pictures"
    """pictures: as their scripts draw pictures, twice the samples and no empty background; metrics:
    as they measure"""
    draws: Literal["cpu", "gpu"] = "cpu"
    """where their scripts drew the latents of seeds: they take a GPU where there is one, and it
    draws others"""
    out: Target
    """a folder: generator.yaml and its weights, for all verbs, and the record"""


@dataclass(frozen=True, slots=True)
class ImportFacesJob:
    """`gof import-faces`."""

    kind: Kind
    """what of cGOF: statistics, fits or detections"""
    _: KW_ONLY
    files: Path
    """coeff_distribution_L.npz; of fits a folder of .mat files, of detections one of .txt files, an
    image each"""
    out: Target
    """statistics.npz, fits.npz or detections.npz to write, or a folder for it; of fits their
    statistics.npz appear beside it, and a record"""
