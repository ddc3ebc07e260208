"""Makes a data set out of image files: what photographs and the published sets share.

Files come from anywhere, so every one is decoded to its last byte before it counts, within limits
on its size, and nothing in it can stop the program with a traceback. What cannot be used is named,
with the reason, in left_out.csv beside the manifest.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from math import ceil, floor
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from gof.data.manifest import Manifest, write_manifest
from gof.data.settings import SPLITS, Collected
from gof.data.shards import Arrays
from gof.data.sheet import write_sheet
from gof.data.source import Making
from gof.data.split_writer import SplitWriter
from gof.data.unfinished import Unfinished
from gof.run.files import InputError, atomic_write, say
from gof.run.images import BadImage, open_image
from gof.run.job import job
from gof.run.machine import cores
from gof.run.outputs import Writes
from gof.run.provenance import code_hash

SKIPPABLE = 0.01  # share of bad files that `on_bad: skip` leaves out
CHUNK = 256  # files decoded ahead
SHEET = 40  # images on the sheet
SAID = 10  # files left out that are told one by one
WIDE = ("I", "I;16", "I;16L", "I;16B", "I;16N")  # modes with 16 bits a pixel, grey
# From an image and the sizes that are stored to the rows of a shard. Raises BadImage.
Cut = Callable[[Image.Image, tuple[int, ...]], Arrays]


class Other(BadImage):
    """An image that is whole, but does not show what the set is of: it is left out, and no
    fault."""


@dataclass(frozen=True, slots=True)
class Item:
    """An image file: its name in the set, where it lies, its split, how it is cut; md5: of its
    content, where the set publishes it."""

    name: str
    path: Path
    split: str
    cut: Cut
    md5: str = ""


def decode(source: Path | bytes, background: Sequence[float]) -> Image.Image:
    """An upright RGB image, transparency filled with the background (0 to 1). Raises BadImage."""
    return _to_rgb(open_image(source), background)


def _to_rgb(image: Image.Image, background: Sequence[float]) -> Image.Image:
    """Any mode to RGB; 16-bit grey is scaled, not clipped."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
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


Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels from the top left


def centre(size: tuple[int, int], side: float) -> Box:
    """The square of a side in the middle of an image of (width, height)."""
    left, top = ((length - side) / 2 for length in size)
    return left, top, left + side, top + side


def resized(image: Image.Image, box: Box, sizes: tuple[int, ...], released: bool = False) -> Arrays:
    """A box of an image at every size: image_{size} uint8 [size, size, 3]. released: by the nearest
    pixel, which aliases, as the released code does. Raises BadImage for one that would have to be
    enlarged."""
    side = min(box[2] - box[0], box[3] - box[1])
    if side < max(sizes):
        cut = f", of which {side:.0f} are cut out" if side < min(image.size) else ""
        raise BadImage(f"{image.width} x {image.height} pixels{cut}, smaller than {max(sizes)}")
    # Filters look beyond a box: what lies there is cut off first.
    left, top = floor(box[0]), floor(box[1])
    square = image.crop((left, top, ceil(box[2]), ceil(box[3])))
    inner = (box[0] - left, box[1] - top, box[2] - left, box[3] - top)
    # Pillow's bicubic filter widens with the reduction, so it does not alias
    how = Image.Resampling.NEAREST if released else Image.Resampling.BICUBIC
    return {f"image_{size}": np.asarray(square.resize((size, size), how, inner)) for size in sizes}


def crop_and_resize(
    image: Image.Image, sizes: tuple[int, ...], share: float = 1.0, released: bool = False
) -> Arrays:
    """The square in the middle, whose side is this share of the shorter one, at every size: see
    `resized`."""
    return resized(image, centre(image.size, min(image.size) * share), sizes, released)


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


def _read(settings: Collected, item: Item) -> Arrays | BadImage:
    """The rows of one file, or what is wrong with it."""
    try:
        source: Path | bytes = item.path
        if item.md5:
            source = item.path.read_bytes()
            if hashlib.md5(source, usedforsecurity=False).hexdigest() != item.md5:
                return BadImage("not the file that was published (another md5)")
        return item.cut(decode(source, settings.background), settings.resolutions)
    except BadImage as error:
        return error
    except OSError as error:
        return BadImage(str(error.strerror))


def _rows(settings: Collected, items: Sequence[Item]) -> Iterator[tuple[Item, Arrays | BadImage]]:
    """Decode files in threads, in order."""
    read = partial(_read, settings)
    bar = tqdm(total=len(items), unit="image", disable=None)
    with ThreadPoolExecutor(cores()) as pool, bar:
        for start in range(0, len(items), CHUNK):
            some = items[start : start + CHUNK]
            for item, result in zip(some, pool.map(read, some), strict=True):
                bar.update()
                yield item, result


def _missing(items: Sequence[Item], passed: Mapping[str, int]) -> list[Item]:
    """The items but for the first ones of each split, as many as have been passed."""
    seen: Counter[str] = Counter()
    missing = []
    for item in items:
        seen[item.split] += 1
        if seen[item.split] > passed[item.split]:
            missing.append(item)
    return missing


def _module(cut: Cut) -> str:
    """Where a cut is written, which may be bound to some of its arguments."""
    return str(getattr(cut, "func", cut).__module__)


def _state(items: Sequence[Item]) -> str:
    """What changes when one of the files does."""
    digest = hashlib.sha256()
    for item in items:
        try:
            found = item.path.stat()
            state = f"{found.st_size} {found.st_mtime_ns}"
        except OSError:
            state = "cannot be read"
        digest.update(f"{item.name} {item.split} {state}\n".encode())
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Collection:
    """What is to become a data set: its items; by name what was left out of it at once, and why;
    what its rows offer besides images; what its manifest tells besides."""

    items: Sequence[Item]
    left_out: Mapping[str, str]
    offers: tuple[str, ...] = ("images",)
    told: Mapping[str, object] | None = None


def collect(
    making: Making,
    gather: Callable[[], Collection],
    reads: Sequence[Path],
    finish: Callable[[Manifest], Manifest] = lambda manifest: manifest,
) -> None:
    """Make a data set of image files: shards, sheet.png, left_out.csv and the manifest, which is
    written last. gather: finds them; reads: the folders in which they lie; finish: changes the
    manifest before it is written.

    Raises InputError naming the first bad file and how many there are; a data set that was there
    before then stays.
    """
    settings, out = making.settings, making.out
    record, sheet = out.with_name("data.json"), out.with_name("sheet.png")
    report = out.with_name("left_out.csv")
    writes = Writes((out, sheet, report), fills=True, reads=tuple(reads))
    with job(record, "dataset", making.config, dict(making.assets), writes) as running:
        found = gather()
        paths = {item.name: item.path for item in found.items}
        # Settings may have been changed by options, and are then not those of the configuration.
        own = (making.name, settings.model_dump(mode="json"), _state(found.items))
        code = code_hash(gather.__module__, *{_module(item.cut) for item in found.items})
        unfinished = Unfinished(record, running.identity, *own, code)
        writer = SplitWriter(unfinished, settings.shard_size, SPLITS)
        _write_all(settings, found.items, writer)
        bad = {name: writer.bad[name] for name in paths if name in writer.bad}
        other = {name: writer.other[name] for name in paths if name in writer.other}
        allowed = SKIPPABLE * len(paths) if settings.on_bad == "skip" else 0
        if len(bad) > allowed:
            writer.discard(out)
            name, reason = next(iter(bad.items()))
            first = f"{paths[name]}: {reason}"
            raise InputError(_too_many(first, len(bad), len(paths), settings.on_bad))
        used = len(paths) - len(bad) - len(other)
        if not used:
            name, reason = next(iter(other.items()))
            raise InputError(f"{name}: {reason}; and so all others: none can be used")
        splits, left_out = writer.finish(), {**found.left_out, **other}
        manifest = Manifest.of(out, making.name, settings, splits, found.offers)
        manifest.provenance.update(images=used, skipped=list(bad))
        manifest.provenance.update(found.told or {})
        manifest = finish(manifest)
        shown = ("image", "depth") if "depth" in found.offers else ("image",)
        write_sheet(manifest, sheet, shown, SHEET)
        running.artifact(sheet)
        atomic_write(report, _as_csv({**left_out, **bad}))
        write_manifest(manifest)
        unfinished.finish()
        counts = {name: split.count for name, split in splits.items()}
        running.numbers = {**counts, "skipped": len(bad), "left_out": len(left_out)}


def _write_all(settings: Collected, items: Sequence[Item], writer: SplitWriter) -> None:
    """Give the writer all images but those that an interrupted run has passed."""
    for item, result in _rows(settings, _missing(items, writer.passed)):
        if isinstance(result, BadImage):
            bad = not isinstance(result, Other)
            writer.leave_out(item.split, item.name, str(result), bad)
            if bad and len(writer.bad) <= SAID:
                say(f"{item.path}: {result}")
        else:
            writer.add(item.split, result)


def _as_csv(left_out: Mapping[str, str]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("file", "reason"))
    table.writerows(left_out.items())
    return text.getvalue()


def _too_many(first: str, bad: int, total: int, on_bad: str) -> str:
    advice = (
        "move them away" if on_bad == "skip" else "move them away, or set on_bad: skip (up to 1 %)"
    )
    return f"{first}; {bad} of {total} files cannot be used: {advice}"
