"""FFHQ, by the user's own copy of its images and the published list of their hashes."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from gof.data.collection import Collection, Item, collect, crop_and_resize
from gof.data.source import Making
from gof.published.places import places
from gof.run.files import InputError

LIST = "ffhq-dataset-v2.json"
KINDS = ("thumbnail", "image")
NEEDED = {*KINDS, "file_path", "file_md5"}
TRAINING, VALIDATION = 60_000, 65_000  # numbers below which images are for training, validation
LARGEST_LIST = 2**29  # bytes; the published one has 268 million


def make(making: Making) -> None:
    """Make the set. Raises InputError where images or the list are missing."""
    settings, found = making.settings, places(making)

    def gather() -> Collection:
        entries = _entries(found.find(LIST))
        folder = _kind(Path(settings.folder))
        cut = partial(crop_and_resize, released=settings.released)
        items, missing = [], {}
        for number, entry in sorted(entries.items()):
            name, md5 = entry[folder[0]]
            path = folder[1] / Path(name).relative_to(folder[1].name)
            if path.is_file():
                items.append(Item(name, path, _split(number), cut, md5))
            else:
                missing[name] = "in the list, not among the images: taken back, or not downloaded"
        if not items:
            raise InputError(f"{folder[1]}: none of the images that {LIST} names")
        return Collection(items, missing, told={"crop": "none"})

    collect(making, gather, tuple(found.roots))


def _split(number: int) -> str:
    if number < TRAINING:
        return "train"
    return "validation" if number < VALIDATION else "test"


def _kind(folder: Path) -> tuple[str, Path]:
    """Which images a folder holds, and the folder of that name: itself or in it."""
    for kind, name in zip(KINDS, ("thumbnails128x128", "images1024x1024"), strict=True):
        for place in (folder, folder / name):
            if place.name == name and place.is_dir():
                return kind, place
    raise InputError(f"{folder}: neither holds nor is thumbnails128x128 or images1024x1024")


def _needed(entry: dict[str, Any]) -> dict[str, Any]:
    """What is kept of the list while it is read: most of it are landmarks and licences."""
    return {key: value for key, value in entry.items() if key in NEEDED or key.isdigit()}


def _entries(path: Path) -> dict[int, dict[str, tuple[str, str]]]:
    """Of each number, for both kinds, the file and its md5."""
    try:
        if path.stat().st_size > LARGEST_LIST:
            raise ValueError("too large")
        values: dict[str, Any] = json.loads(path.read_bytes(), object_hook=_needed)
        return {
            int(number): {
                kind: (str(entry[kind]["file_path"]), str(entry[kind]["file_md5"]))
                for kind in KINDS
            }
            for number, entry in values.items()
        }
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path}: not FFHQ's list ({type(error).__name__})") from None
