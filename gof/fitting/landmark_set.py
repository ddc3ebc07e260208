"""68 landmarks of every image of a data set, from one of three sources."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from tqdm import tqdm

from gof.data.manifest import Manifest, load_manifest
from gof.data.reader import Reader, Rows, load_split
from gof.data.shards import SHARDS, Shard, write_shard
from gof.experiment.config import Config
from gof.fitting.jobs import LandmarksJob
from gof.morphable.detector import Find, find_weights, load, to_plane
from gof.readers.files import FaceRegressor, load_regressor
from gof.run import machine
from gof.run.files import InputError, read_json, say, sha256, write_png
from gof.run.job import job
from gof.run.outputs import Writes, prune
from gof.run.target import placed

SHOWN, COLUMNS, TILE = 16, 8, 192  # images of the figure
READ = 64  # pixels a regressor is shown
READ_AT_ONCE = 100  # images
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


Source = Callable[[str], Landmarks]  # of a split


def certain(points: Tensor) -> Landmarks:
    """Landmarks [n, 68, 2] of a source that has no doubts."""
    one = torch.ones(len(points), dtype=torch.int64)
    return Landmarks(points, torch.ones(points.shape[:2]), one.bool(), one)


def load_landmarks(record: Path, split: str, numbers: Sequence[int] | None = None) -> Landmarks:
    """Landmarks of a split, from the record of `gof landmarks`: of these images, or of all. Raises
    InputError naming the file that is missing or changed."""
    rows = _rows(record, split)
    names = [item.name for item in fields(Landmarks)]
    stored = rows.read(names, range(len(rows)) if numbers is None else numbers)
    return Landmarks(**{name: torch.from_numpy(array) for name, array in stored.items()})


def count_landmarks(record: Path, split: str) -> int:
    """How many images of a split have been looked at."""
    return len(_rows(record, split))


def _rows(record: Path, split: str) -> Rows:
    shards = read_json(record).get("numbers", {}).get("shards", {}).get(split)
    if not shards:
        raise InputError(f"{record}: no landmarks of split {split!r}: run `gof landmarks` again")
    return Rows(record, [Shard(**shard) for shard in shards], "run `gof landmarks` again")


def _true(manifest: Manifest, split: str) -> Landmarks:
    points = load_split(manifest, split, ["landmarks"])["landmarks"]
    return certain(torch.from_numpy(points))


@torch.no_grad()
def _read(network: FaceRegressor, manifest: Manifest, split: str, size: int) -> Landmarks:
    reader = Reader(manifest, split)
    blocks = (reader.images(size, numbers) for numbers in reader.blocks(READ_AT_ONCE))
    return certain(torch.cat([network(part.float() / 127.5 - 1).landmarks for part in blocks]))


def _detect_all(manifest: Manifest, split: str) -> Landmarks:
    reader, size = Reader(manifest, split), max(manifest.resolutions)
    bar = tqdm(range(len(reader)), desc="landmarks", disable=None)
    find = _finder()
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
        return lambda split: _true(manifest, split)
    if kind == "detector":
        return lambda split: _detect_all(manifest, split)
    if regressor is None:
        raise InputError("--regressor: needed where faces.landmarks.source is regressor")
    network = load_regressor(regressor)
    return lambda split: _read(network, manifest, split, size)


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
        shards, counts = {}, {}
        for split in manifest.splits:
            if not manifest.splits[split].count:
                continue
            found = source(split)
            shards[split] = _write(found, manifest, split, out.parent)
            counts[split] = _count(found, split)
            if split == "train":
                _draw(found, manifest, out)
        if not any(count["found"] for count in counts.values()):
            raise InputError(f"{data}: no image shows just one face: look at the images")
        running.artifact(out.with_suffix(".png"))
        running.numbers = {
            "source": kind,
            "splits": counts,
            "shards": {split: [asdict(shard) for shard in own] for split, own in shards.items()},
        }
        if kind == "detector":
            running.numbers["weights_sha256"] = {n: sha256(p) for n, p in find_weights().items()}
    prune(out.parent, SHARDS, [shard.file for own in shards.values() for shard in own])


def _count(found: Landmarks, split: str) -> dict[str, int]:
    none, several = int((found.faces == 0).sum()), int((found.faces > 1).sum())
    if none or several:
        say(f"landmarks: split {split}: {none} images without a face, {several} with several")
    return {"images": len(found.found), "found": int(found.found.sum()), "several": several}


def _write(found: Landmarks, manifest: Manifest, split: str, folder: Path) -> list[Shard]:
    """One shard for each shard of images."""
    shards, start = [], 0
    for number, images in enumerate(manifest.split(split).shards):
        rows = slice(start, start + images.count)
        arrays = {f.name: getattr(found, f.name)[rows].numpy() for f in fields(found)}
        shards.append(write_shard(folder / f"{split}-{number:03d}", arrays))
        start += images.count
    return shards


def _draw(found: Landmarks, manifest: Manifest, out: Path) -> None:
    """Landmarks over the first training images; one without a single face is struck out."""
    count = min(SHOWN, len(found.found))
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
