"""CelebA: aligned faces of 178 x 218 pixels."""

from __future__ import annotations

from functools import partial

import numpy as np
from PIL import Image

from gof.data.collection import Collection, Item, centre, collect, resized
from gof.data.shards import Arrays
from gof.data.source import Making
from gof.published.places import places, read_lines
from gof.published.settings import CelebA
from gof.run.files import InputError

SHARE = 256 / 320  # short side to 320 pixels, of which the middle 256 are cut out
SPLITS = {"0": "train", "1": "validation", "2": "test"}
POINTS = 5


def _cut(image: Image.Image, sizes: tuple[int, ...], points: np.ndarray, released: bool) -> Arrays:
    """The crop, and the landmarks on the image plane of the crop (x right, y up)."""
    side = min(image.size) * SHARE
    box = centre(image.size, side)
    plane = (points + 0.5 - np.array(box[:2])) / side * 2 - 1
    arrays = resized(image, box, sizes, released)
    return {**arrays, "landmarks_5": (plane * (1, -1)).astype(np.float32)}


def make(making: Making) -> None:
    """Make the set. Raises InputError where one of its three files is missing or another."""
    settings, found = making.settings, places(making)

    def gather() -> Collection:
        top = found.find("img_align_celeba", folder=True)
        landmarks = _landmarks(read_lines(found.find("list_landmarks_align_celeba.txt")))
        partition = found.find("list_eval_partition.txt")
        items, missing = [], {}
        for line in filter(str.strip, read_lines(partition)):
            name, *rest = line.split()
            if rest not in (["0"], ["1"], ["2"]) or name not in landmarks:
                raise InputError(f"{partition}: {line[:60]!r}: not a line of CelebA's partition")
            path = top / name
            if path.is_file():
                cut = partial(_cut, points=landmarks[name], released=settings.released)
                items.append(Item(name, path, SPLITS[rest[0]], cut))
            else:
                missing[name] = "in the partition, not among the images"
        if not items:
            raise InputError(f"{top}: none of the images that {partition} names")
        return Collection(items, missing, told=_recipe(settings))

    collect(making, gather, tuple(found.roots))


def _recipe(settings: CelebA) -> dict[str, object]:
    return {
        "crop": "centre square of 142.4 of 178 pixels",
        "filter": "nearest" if settings.released else "bicubic, widened with the reduction",
        "landmarks_5": "left eye, right eye, nose, left and right corner of the mouth, as listed",
    }


def _landmarks(lines: list[str]) -> dict[str, np.ndarray]:
    """Points [5, 2] in pixels of each image; two lines of header come first."""
    found = {}
    for line in filter(str.strip, lines[2:]):
        name, *numbers = line.split()
        try:
            found[name] = np.array(numbers, dtype=np.float64).reshape(POINTS, 2)
        except ValueError:
            text = f"{line[:60]!r}: not a line of five landmarks"
            raise InputError(f"list_landmarks_align_celeba.txt: {text}") from None
    return found
