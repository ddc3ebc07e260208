"""What this room is asked to do: options of verbs, and their help."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchJob:
    """`gof bench`. How rows are measured, and their ceilings, stand in the modules beside this."""

    rows: str | None = None
    """what to measure, names with commas between (default: all), of field-large: logits at 2^20
    points, 8 layers of 256; field-small: the same, 4 layers of 64; field-training: colours and
    logits, forward and backward; field-training-memory: peak memory of that; image: 128 px with the
    paper's samples, and in surface mode; image-surface-psnr: surface mode against the full render;
    training-step: both updates at 64 px, batch 4; training-step-default: those of the default run's
    GOF; mesh-256: from 256^3 points; mesh-512: from 512^3 points; normals: first and second order;
    data: 1,000 renders of heads; raster: 16 head meshes; default-run: minutes, from its log;
    smoke-run: likewise; growth: slopes of cost over size, and their figure"""
    head_model: Path | None = None
    """head_model.npz of `gof head-model`, for data and raster"""
    generator: Path | None = None
    """generator.yaml of a GOF, for image-surface-psnr and training-step-default"""
    results: Path = Path("results")
    """of a default run, whose minutes stand there"""
    out: Path = Path("results/bench.json")
    """JSON to write, a list of rows; tables/bench.md and figures/bench.png appear beside it"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CostsJob:
    """`gof costs`."""

    gpus: tuple[int, ...] = (1, 2, 4, 8)
    """numbers of GPUs that share a training"""
