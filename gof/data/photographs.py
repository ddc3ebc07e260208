"""Makes a data set out of a folder of photographs.

Files come from anywhere, so every one is decoded to its last byte before it counts, within limits
on its size, and nothing in it can stop the program with a traceback.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from gof.data.manifest import Manifest, Split, load_manifest, write_manifest
from gof.data.settings import Photographs
from gof.data.shards import SHARDS, Shard, write_shard
from gof.data.sheet import write_sheet
from gof.data.source import Making
from gof.run.files import InputError, say
from gof.run.images import BadImage, named_like_one, open_image
from gof.run.job import job
from gof.run.machine import cores
from gof.run.outputs import Writes, prune

SKIPPABLE = 0.01  # share of bad files that `--on-bad skip` leaves out
CHUNK = 256  # files decoded ahead
NAMED = 4  # files left out that a line names
APPLE = (".heic", ".heif")
SHEET = 40  # images on the sheet
WIDE = ("I", "I;16", "I;16L", "I;16B", "I;16N")  # modes with 16 bits a pixel, grey


def decode(path: Path, background: tuple[float, ...]) -> Image.Image:
    """An upright RGB image, transparency filled with the background (0 to 1). Raises BadImage."""
    if path.suffix.lower() in APPLE:
        raise BadImage("HEIC is not read: save it as JPEG or PNG")
    return _to_rgb(open_image(path), background)


def _to_rgb(image: Image.Image, background: tuple[float, ...]) -> Image.Image:
    """Any mode to RGB; 16-bit grey is scaled, not clipped."""
    if image.mode in WIDE:
        grey = np.asarray(image).astype(np.float64) / 257
        return Image.fromarray(grey.round().clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise BadImage("floating-point pixels of unknown range")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        paper = Image.new("RGBA", image.size, tuple(round(c * 255) for c in (*background, 1.0)))
        return Image.alpha_composite(paper, image).convert("RGB")
    return image.convert("RGB")


def crop_and_resize(
    image: Image.Image, sizes: tuple[int, ...], share: float = 1.0
) -> dict[str, np.ndarray]:
    """The square in the middle, whose side is this share of the shorter one, at every size:
    image_{size} uint8 [size, size, 3]. Raises BadImage for one that would have to be enlarged."""
    side = min(image.size) * share
    if side < max(sizes):
        cut = f", of which {side:.0f} are cut out" if share < 1 else ""
        raise BadImage(f"{image.width} x {image.height} pixels{cut}, smaller than {max(sizes)}")
    left, top = (int(length - side) // 2 for length in image.size)
    square = image.crop((left, top, left + ceil(side), top + ceil(side)))
    box = (0.0, 0.0, side, side)
    # Pillow's bicubic filter widens with the reduction, so it does not alias
    return {
        f"image_{size}": np.asarray(square.resize((size, size), Image.Resampling.BICUBIC, box))
        for size in sizes
    }


def split_of(name: str, shares: Mapping[str, float]) -> str:
    """The split of a file, from its name alone: it stays when other files come or go. shares: of
    each split, 1 together."""
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    place = int.from_bytes(digest, "big") / 2**64
    for split, share in shares.items():
        if place < share:
            return split
        place -= share
    return list(shares)[-1]


@dataclass(frozen=True, slots=True)
class _Result:
    """One file: its images, or what is wrong with it."""

    name: str
    images: dict[str, np.ndarray]
    problem: str = ""


class _Writer:
    """Collects the images of each split and writes them shard by shard."""

    def __init__(self, folder: Path, size: int, names: Iterable[str]) -> None:
        self.folder, self.size = folder, size
        splits = list(names)
        self.waiting: dict[str, list[dict[str, np.ndarray]]] = {split: [] for split in splits}
        self.shards: dict[str, list[Shard]] = {split: [] for split in splits}

    def add(self, split: str, images: dict[str, np.ndarray]) -> None:
        """Keep one image; write a shard when enough wait."""
        self.waiting[split].append(images)
        if len(self.waiting[split]) == self.size:
            self._write(split)

    def _write(self, split: str) -> None:
        rows = self.waiting[split]
        arrays = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
        path = self.folder / f"{split}-{len(self.shards[split]):03d}"
        self.shards[split].append(write_shard(path, arrays))
        rows.clear()

    def finish(self) -> dict[str, Split]:
        """Write what waits."""
        for split, rows in self.waiting.items():
            if rows:
                self._write(split)
        return {
            split: Split(sum(shard.count for shard in shards), tuple(shards))
            for split, shards in self.shards.items()
        }

    def discard(self, kept: Path) -> None:
        """Remove what was written, but for what the manifest `kept`, of an older data set,
        names too."""
        try:
            older = load_manifest(kept)
        except InputError:
            return prune(self.folder, SHARDS, [])
        prune(self.folder, SHARDS, older.files)


def _files(folder: Path) -> list[Path]:
    """All visible images below a folder, by their names, in order of their relative path; says
    which other files are left out. Raises InputError where there are none, or a folder cannot be
    read."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of images")

    def unreadable(error: OSError) -> None:
        raise InputError(f"{error.filename}: cannot be read ({error.strerror}): check permissions")

    found = []
    for place, folders, names in os.walk(folder, onerror=unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place, name) for name in names if not name.startswith(".")]
    found.sort(key=lambda path: path.relative_to(folder).as_posix())
    images = [path for path in found if named_like_one(path) or path.suffix.lower() in APPLE]
    if other := [path.relative_to(folder).as_posix() for path in found if path not in set(images)]:
        more = f" and {len(other) - NAMED} more" if len(other) > NAMED else ""
        say(f"{folder}: left out, by their names no images: {', '.join(other[:NAMED])}{more}")
    if not images:
        raise InputError(f"{folder}: holds no images: give the folder of the photographs")
    return images


def _results(settings: Photographs, files: list[Path]) -> Iterator[_Result]:
    """Decode files in threads, in order."""
    folder = Path(settings.folder)

    def one(path: Path) -> _Result:
        name = path.relative_to(folder).as_posix()
        try:
            image = decode(path, settings.background)
            return _Result(name, crop_and_resize(image, settings.resolutions, settings.crop_share))
        except BadImage as error:
            return _Result(name, {}, str(error))

    with ThreadPoolExecutor(cores()) as pool:
        bar = tqdm(total=len(files), unit="image", disable=None)
        for start in range(0, len(files), CHUNK):
            for result in pool.map(one, files[start : start + CHUNK]):
                bar.update()
                yield result


def prepare(making: Making) -> None:
    """Make a data set of all images of a folder, its manifest, which is written last. There are no
    poses and no ground truth.

    Raises InputError naming the first bad file and how many there are; a data set that was there
    before then stays.
    """
    settings, out, folder = making.settings, making.out, Path(making.settings.folder)
    record, sheet = out.with_name("data.json"), out.with_name("sheet.png")
    writes = Writes((out, sheet), fills=True, reads=(folder,))
    with job(record, "dataset", making.config, {}, writes) as running:
        files = _files(folder)
        writer, bad = _Writer(out.parent, settings.shard_size, settings.splits), []
        for result in _results(settings, files):
            if result.problem:
                bad.append(result)
                say(f"{folder / result.name}: {result.problem}")
            else:
                writer.add(split_of(result.name, settings.splits), result.images)
        allowed = SKIPPABLE * len(files) if settings.on_bad == "skip" else 0
        if len(bad) > allowed:
            writer.discard(out)
            raise InputError(_too_many(folder, bad, len(files), settings.on_bad))
        splits = writer.finish()
        manifest = Manifest.of(out, making.name, settings, splits, ("images",))
        skipped = [result.name for result in bad]
        manifest.provenance.update(images=len(files) - len(bad), skipped=skipped)
        write_sheet(manifest, sheet, ("image",), SHEET)
        running.artifact(sheet)
        write_manifest(manifest)
        counts = {name: split.count for name, split in splits.items()}
        running.numbers = {**counts, "skipped": len(bad)}


def _too_many(folder: Path, bad: list[_Result], total: int, on_bad: str) -> str:
    first = bad[0]
    advice = (
        "move them away" if on_bad == "skip" else "move them away, or set on_bad: skip (up to 1 %)"
    )
    return (
        f"{folder / first.name}: {first.problem}; {len(bad)} of {total} files cannot be used: "
        f"{advice}"
    )
