"""Fits a 3DMM to every image of a data set, and estimates the statistics that condition a
generator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gof.data.manifest import Manifest, Split, load_manifest
from gof.data.reader import Reader
from gof.data.shards import SHARDS, Shard, load_shard, write_shard
from gof.data.unfinished import Unfinished
from gof.data.workers import render_all
from gof.experiment.config import Config
from gof.fitting.checks import (
    COLUMNS,
    against_truth,
    fit_row,
    fits_model,
    has_truth,
    load_truth,
)
from gof.fitting.figure import Shown, write_figure
from gof.fitting.fit import FAILURES, Certainty, Fits, Fitter, estimate, join
from gof.fitting.jobs import FitsJob
from gof.fitting.landmark_set import count_landmarks, load_landmarks
from gof.fitting.settings import Fit
from gof.morphable.coefficients import BLOCKS, Statistics
from gof.morphable.directions import described
from gof.morphable.model import MorphableModel
from gof.run.files import InputError, read_json, say
from gof.run.job import job
from gof.run.outputs import Writes, prune
from gof.run.provenance import code_hash
from gof.run.target import placed

SPLITS = ("train", "test")
BLOCK = 32  # images fitted together: their Jacobians stay in the processor cache
RESOLUTION = 128  # pixels that colours are read from, at most
NAMED = 20  # failures listed one by one
_NONE = Split(0, ())


@dataclass(frozen=True, slots=True)
class _Task:
    """A shard of images to fit: everything a worker process needs."""

    wanted: FitsJob
    settings: Fit
    split: str
    number: int
    certainty: Certainty
    path: Path


def _fit_shard(task: _Task) -> Shard:
    torch.set_num_threads(1)
    manifest, split = load_manifest(task.wanted.data), task.split
    before = sum(shard.count for shard in manifest.split(split).shards[: task.number])
    count = manifest.split(split).shards[task.number].count
    reader, size = Reader(manifest, split), _resolution(manifest)
    marks = load_landmarks(task.wanted.landmarks, split, range(before, before + count))
    model = MorphableModel.load(task.wanted.head_model)
    fitter = Fitter.make(model, task.settings, manifest.camera, task.certainty)
    found, posteriors, weights = [], [], []
    for start in range(0, count, BLOCK):
        own = slice(start, min(start + BLOCK, count))
        confidence = marks.confidence[own] * marks.found[own, None]
        pixels = reader.images(size, range(before + own.start, before + own.stop)).float() / 255
        fits, posterior = fitter.fit(pixels, marks.points[own], confidence)
        found.append(fits.arrays())
        posteriors.append(posterior.mean(fits.ok))
        weights.append(int(fits.ok.sum()))
    arrays = {name: np.concatenate([one[name] for one in found]) for name in found[0]}
    total = max(sum(weights), 1)
    for name in BLOCKS:
        parts = [w * p[name] for w, p in zip(weights, posteriors, strict=True)]
        arrays[f"posterior_{name}"] = np.sum(parts, 0) / total
    return write_shard(task.path, arrays)


def _resolution(manifest: Manifest) -> int:
    """The largest stored size that is no larger than RESOLUTION, else the smallest."""
    fitting = [size for size in manifest.resolutions if size <= RESOLUTION]
    return max(fitting, default=min(manifest.resolutions))


def _certainty(config: Config, landmarks: Path) -> Certainty:
    """How sure landmarks are: as configured, else by where they came from."""
    exact = read_json(landmarks)["numbers"].get("source") == "truth"
    return Certainty.of(config.faces.fit, exact)


def run_fits(config: Config, wanted: FitsJob) -> None:
    """Fit the splits SPLITS of a data set; beside the record come shards, statistics.npz and
    a picture.

    Images that cannot be fitted are counted and left out of the statistics. Raises InputError for
    files that do not fit each other, and where no image can be fitted at all.
    """
    out = placed(wanted.out, "fits.json")
    inputs = {"data": wanted.data, "landmarks": wanted.landmarks, "head_model": wanted.head_model}
    picture, moments = out.with_suffix(".png"), out.with_name("statistics.npz")
    with job(out, "fits", config, inputs, Writes((picture, moments))) as running:
        manifest = load_manifest(wanted.data)
        splits = [n for n in SPLITS if n == "train" or manifest.splits.get(n, _NONE).shards]
        unfinished = Unfinished(out, running.identity, code_hash(__name__))
        shards = _fit_all(config, wanted, manifest, splits, unfinished)
        fits = {
            name: join([out.parent / shard.file for shard in own]) for name, own in shards.items()
        }
        running.numbers = {
            "shards": {name: [asdict(shard) for shard in own] for name, own in shards.items()},
            "splits": {name: _summary(name, own) for name, own in fits.items()},
        }
        paths = [out.parent / shard.file for shard in shards["train"]]
        shown, model = splits[-1], MorphableModel.load(wanted.head_model)
        marks = load_landmarks(wanted.landmarks, shown)
        described(model, statistics(fits["train"], paths, wanted.data)).save(moments)
        rows, numbers = _measured(model, manifest, fits[shown], shown)
        running.numbers |= {"rows": rows, "columns": COLUMNS, **numbers}
        write_figure(model, Shown(manifest, shown, fits[shown], marks.points), picture)
        running.artifact(picture)
    unfinished.finish()
    prune(out.parent, SHARDS, [shard.file for own in shards.values() for shard in own])


def _fit_all(
    config: Config,
    wanted: FitsJob,
    manifest: Manifest,
    splits: list[str],
    unfinished: Unfinished,
) -> dict[str, list[Shard]]:
    """Shards of fits by split, one for each shard of images."""
    certainty, folder = _certainty(config, wanted.landmarks), unfinished.folder
    for name in splits:
        marks = count_landmarks(wanted.landmarks, name)
        images = manifest.split(name).count
        if marks != images:
            raise InputError(
                f"{wanted.landmarks}: {marks} landmarks for {images} images of split {name!r}:"
                " find the landmarks again"
            )
    tasks = [
        _Task(wanted, config.faces.fit, name, number, certainty, folder / f"{name}-{number:03d}")
        for name in splits
        for number in range(len(manifest.split(name).shards))
    ]
    shards: dict[str, list[Shard]] = {name: [] for name in splits}
    for task, shard in zip(tasks, render_all(_fit_shard, tasks, unfinished), strict=True):
        shards[task.split].append(shard)
    return shards


def _summary(split: str, fits: Fits) -> dict[str, Any]:
    """Counts, residuals, and which images failed and why; a line for the reader when some did."""
    bad = (~fits.ok).nonzero().squeeze(-1).tolist()
    reasons = Counter(FAILURES[int(fits.failure[image])] for image in bad)
    if bad:
        listed = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
        say(f"fits: {len(bad)} of {len(fits.ok)} images of split {split} left out ({listed})")
    residual, colour = fits.residual[fits.ok], fits.colour_residual[fits.ok]
    return {
        "images": len(fits.ok),
        "fitted": len(residual),
        "failures": dict(reasons),
        "failed": bad[:NAMED],
        "landmark_residual_percent": float(residual.median()) if len(residual) else None,
        "colour_residual": float(colour.median()) if len(residual) else None,
    }


def statistics(fits: Fits, paths: Sequence[Path], data: Path) -> Statistics:
    """The distribution of the coefficients, from fits and the shards that hold their posterior
    covariances. Raises InputError when no image could be fitted."""
    total = int(fits.ok.sum())
    if total == 0:
        raise InputError(f"{data}: no image of split train could be fitted: look at the landmarks")
    posterior = {name: torch.zeros(()).double() for name in BLOCKS}
    for path in paths:
        arrays = load_shard(path)
        share = float(arrays["ok"].sum()) / total
        for name in BLOCKS:
            posterior[name] = posterior[name] + share * torch.from_numpy(
                arrays[f"posterior_{name}"]
            )
    values = {name: getattr(fits.coefficients, name)[fits.ok] for name in BLOCKS}
    return estimate(values, posterior)


def _measured(
    model: MorphableModel, manifest: Manifest, fits: Fits, split: str
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Rows and numbers of a split: against the truth where it is known, else the residual."""
    count = int(fits.ok.sum())
    if count == 0:
        return [], {}
    if has_truth(manifest, split):
        truth = load_truth(manifest, split)
        if fits_model(model, truth.coefficients):
            return against_truth(model, fits, truth, manifest.camera.fov_deg)
    protocol = f"median over {count} images of split {split}; residual, no truth"
    residual = float(fits.residual[fits.ok].median())
    return [fit_row("landmark_nme_percent", residual, count, protocol)], {}
