"""68 landmarks of every image of a data set, from one of three sources."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from tqdm import tqdm

from gof.data.manifest import Manifest, load_manifest
from gof.data.reader import Reader, Rows
from gof.data.shards import SHARDS, Shard, write_shard
from gof.data.unfinished import Unfinished
from gof.experiment.config import Config
from gof.fitting.jobs import LandmarksJob
from gof.morphable.detector import Find, find_weights, load, to_plane
from gof.readers.files import FaceRegressor, load_regressor
from gof.run import machine
from gof.run.files import InputError, read_json, say, sha256, write_png
from gof.run.job import job
from gof.run.outputs import Writes, prune
from gof.run.provenance import code_hash
from gof.run.target import placed

SHOWN, COLUMNS, TILE = 16, 8, 192  # images of the figure
READ = 64  # pixels a regressor is shown
READ_AT_ONCE = 100  # images
AGAIN = "run `gof landmarks` again"
OUTSIDE = 0.1  # share of the landmarks
SEARCHED = 256  # smaller images are enlarged: the detector's points are whole pixels


@dataclass(frozen=True, slots=True)
class Landmarks:
    """Of n images: points [n, 68, 2] on the image plane (x right, y up, the image spans [-1, 1]) in
    iBUG order, confidence [n, 68] from 0 to 1, found [n], whether there is just one face, and faces
    [n], how many were seen."""

    points: Tensor
    confidence: Tensor
    found: Tensor
    faces: Tensor


Source = Callable[[Reader, range], Landmarks]  # of images of a split


def certain(points: Tensor) -> Landmarks:
    """Landmarks [n, 68, 2] of a source that has no doubts."""
    one = torch.ones(len(points), dtype=torch.int64)
    return Landmarks(points, torch.ones(points.shape[:2]), one.bool(), one)


def load_landmarks(record: Path, split: str, numbers: Sequence[int] | None = None) -> Landmarks:
    """Landmarks of a split, from the record of `gof landmarks`: of these images, or of all. Raises
    InputError naming the file that is missing or changed."""
    rows = _rows(record, split)
    return _stored(rows, range(len(rows)) if numbers is None else numbers)


def _stored(rows: Rows, numbers: Sequence[int]) -> Landmarks:
    stored = rows.read([item.name for item in fields(Landmarks)], numbers)
    return Landmarks(**{name: torch.from_numpy(array) for name, array in stored.items()})


def count_landmarks(record: Path, split: str) -> int:
    """How many images of a split have been looked at."""
    return len(_rows(record, split))


def _rows(record: Path, split: str) -> Rows:
    shards = read_json(record).get("numbers", {}).get("shards", {}).get(split)
    if not shards:
        raise InputError(f"{record}: no landmarks of split {split!r}: {AGAIN}")
    return Rows(record, [Shard(**shard) for shard in shards], AGAIN)


def _true(reader: Reader, numbers: range) -> Landmarks:
    return certain(torch.from_numpy(reader.rows("landmarks", numbers)))


@torch.no_grad()
def _read(network: FaceRegressor, size: int, reader: Reader, numbers: range) -> Landmarks:
    parts = [
        network(reader.images(size, numbers[k : k + READ_AT_ONCE]).float() / 127.5 - 1).landmarks
        for k in range(0, len(numbers), READ_AT_ONCE)
    ]
    return certain(torch.cat(parts))


def _detect_all(find: Find, size: int, reader: Reader, numbers: range) -> Landmarks:
    bar = tqdm(numbers, desc="landmarks", unit="image", leave=False, disable=None)
    found = [detect(reader.images(size, [number]), find) for number in bar]
    return Landmarks(*(torch.cat([getattr(f, n.name) for f in found]) for n in fields(Landmarks)))


def _finder() -> Find:
    return load(machine.device())


def detect(images: Tensor, find: Find | None = None) -> Landmarks:
    """Landmarks of photographs uint8 [n, 3, s, s] by a detector, those of the first face where
    there are several; a face of which more than OUTSIDE lies beyond the picture's edge is found,
    but not used. Raises MachineError when its weights cannot be had."""
    find = find or _finder()
    n, size = len(images), max(images.shape[-1], SEARCHED)
    points, confidence = torch.zeros(n, 68, 2), torch.zeros(n, 68)
    faces = torch.zeros(n, dtype=torch.int64)
    for k, image in enumerate(images):
        seen = find(_at_least(image, size).permute(1, 2, 0).numpy())
        faces[k] = len(seen)
        if seen:
            points[k] = to_plane(seen[0][0], size)
            confidence[k] = torch.from_numpy(np.asarray(seen[0][1], np.float32)).clamp(0, 1)
    outside = (points.abs() > 1).any(-1).float().mean(-1) > OUTSIDE
    return Landmarks(points, confidence, (faces == 1) & ~outside, faces)


def _at_least(image: Tensor, size: int) -> Tensor:
    if image.shape[-1] == size:
        return image
    large = torch.nn.functional.interpolate(image[None].float(), (size, size), mode="bilinear")
    return large[0].round().byte()


def _kind(config: Config, manifest: Manifest) -> str:
    """Where landmarks come from, by its name in the configuration."""
    held = "landmarks" in manifest.offers
    return config.faces.landmarks.source or ("truth" if held else "detector")


def _source(kind: str, manifest: Manifest, regressor: Path | None) -> Source:
    """What finds the landmarks of a split. Raises InputError where it lacks a file."""
    size = min(manifest.resolutions, key=lambda stored: abs(stored - READ))
    if kind == "truth":
        return _true
    if kind == "detector":
        return partial(_detect_all, _finder(), max(manifest.resolutions))
    if regressor is None:
        raise InputError("--regressor: needed where faces.landmarks.source is regressor")
    return partial(_read, load_regressor(regressor), size)


def run_landmarks(config: Config, wanted: LandmarksJob) -> None:
    """Find the landmarks of all splits; beside the record come shards and a picture.

    Images without a face, or with several, are counted and marked. Raises InputError for a data set
    that does not hold what the source needs, and where no face is found at all.
    """
    data, regressor, out = wanted.data, wanted.regressor, placed(wanted.out, "landmarks.json")
    inputs = {"data": data} | ({"regressor": regressor} if regressor else {})
    writes = Writes((out.with_suffix(".png"),))
    with job(out, "landmarks", config, inputs, writes) as running:
        manifest = load_manifest(data)
        kind = _kind(config, manifest)
        source = _source(kind, manifest, regressor)
        weights = {n: sha256(p) for n, p in find_weights().items()} if kind == "detector" else {}
        unfinished = Unfinished(out, running.identity, code_hash(__name__), weights)
        shards, counts = {}, {}
        for split in (name for name, own in manifest.splits.items() if own.count):
            shards[split], counts[split] = _find(source, manifest, split, unfinished)
        _draw(Rows(out, shards["train"], AGAIN), manifest, out)
        if not any(count["found"] for count in counts.values()):
            raise InputError(f"{data}: no image shows just one face: look at the images")
        running.artifact(out.with_suffix(".png"))
        running.numbers = {
            "source": kind,
            "splits": counts,
            "shards": {split: [asdict(shard) for shard in own] for split, own in shards.items()},
        }
        if weights:
            running.numbers["weights_sha256"] = weights
    unfinished.finish()
    prune(out.parent, SHARDS, [shard.file for own in shards.values() for shard in own])


def _find(
    source: Source, manifest: Manifest, split: str, unfinished: Unfinished
) -> tuple[list[Shard], dict[str, int]]:
    """One shard for each shard of images, and how many images have no face, one, or several."""
    reader, shards, start = Reader(manifest, split), [], 0
    counts = {"images": len(reader), "found": 0, "none": 0, "several": 0}
    for number, images in enumerate(manifest.split(split).shards):
        name = f"{split}-{number:03d}"
        done = unfinished.get(name)
        if done is None:
            found = source(reader, range(start, start + images.count))
            arrays = {f.name: getattr(found, f.name).numpy() for f in fields(found)}
            done = write_shard(unfinished.folder / name, arrays), _counts(found)
            unfinished.add(name, done[0], done[1])
        shards.append(done[0])
        for kind, count in done[1].items():
            counts[kind] += count
        start += images.count
    if counts["none"] or counts["several"]:
        say(
            f"landmarks: split {split}: {counts['none']} images without a face,"
            f" {counts['several']} with several"
        )
    return shards, counts


def _counts(found: Landmarks) -> dict[str, int]:
    kinds = {"found": found.found, "none": found.faces == 0, "several": found.faces > 1}
    return {kind: int(own.sum()) for kind, own in kinds.items()}


def _draw(rows: Rows, manifest: Manifest, out: Path) -> None:
    """Landmarks over the first training images; one without a single face is struck out."""
    count = min(SHOWN, len(rows))
    found = _stored(rows, range(count))
    images = Reader(manifest, "train").images(max(manifest.resolutions), range(count))
    columns = min(COLUMNS, count)
    page = Image.new("RGB", (columns * TILE, -(-count // columns) * TILE))
    for k in range(count):
        tile = Image.fromarray(images[k].permute(1, 2, 0).numpy()).resize((TILE, TILE))
        pen = ImageDraw.Draw(tile)
        if not found.found[k]:
            pen.line((0, 0, TILE, TILE), fill=(255, 40, 40), width=3)
        for x, y in found.points[k].tolist() if found.faces[k] else []:
            column, row = (x + 1) / 2 * TILE, (1 - y) / 2 * TILE
            pen.ellipse((column - 1.5, row - 1.5, column + 1.5, row + 1.5), fill=(0, 230, 70))
        page.paste(tile, (k % columns * TILE, k // columns * TILE))
    write_png(out.with_suffix(".png"), np.asarray(page))
