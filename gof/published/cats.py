"""Cat heads, turned level and cut out by their annotation."""

from __future__ import annotations

import math
import re
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from gof.data.collection import Collection, Item, collect, resized, split_of
from gof.data.shards import Arrays
from gof.data.source import Making
from gof.published.places import places, read_lines
from gof.run.files import InputError
from gof.run.images import BadImage

POINTS = 9
LEFT_EYE, RIGHT_EYE, MOUTH, FIRST_EAR, LAST_EAR = 0, 1, 2, 3, 8
GREY = (128, 128, 128)  # where the turned picture has nothing
ABOVE = 0.4  # of the crop's side lies above the eyes
NAME = re.compile(r"\d{8}_\d{3}\.jpg")


def crop_box(points: np.ndarray) -> tuple[float, tuple[int, int, int, int]]:
    """The turn in degrees, counterclockwise, about the middle of the eyes that lays them level, and
    the box to cut out then: left, top, width, height. points [9, 2] in pixels. Source:
    RelativisticGAN's preprocessing, which cuts off what of a square would lie left of or above
    the picture."""
    points = points.astype(np.float64)
    left, right, mouth = points[LEFT_EYE], points[RIGHT_EYE], points[MOUTH]
    if left[0] > right[0] and left[1] < right[1] and mouth[0] > right[0]:
        left, right = right, left  # annotated the other way round
    middle, (across, down) = (left + right) / 2, right - left
    angle = math.atan2(down, across)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    first, last = (points[[FIRST_EAR, LAST_EAR]] - middle) @ turn.T + middle
    side = abs(last[0] - first[0])
    start, top = middle[0] - side / 2, middle[1] - ABOVE * side
    width, height = side + min(start, 0), side + min(top, 0)
    box = (int(max(start, 0)), int(max(top, 0)), int(width), int(height))
    return math.degrees(angle), box


def _cut(image: Image.Image, sizes: tuple[int, ...], points: np.ndarray, released: bool) -> Arrays:
    angle, (left, top, width, height) = crop_box(points)
    middle = points[[LEFT_EYE, RIGHT_EYE]].mean(0)
    level = image.rotate(
        angle,
        Image.Resampling.BICUBIC,
        center=(float(middle[0]), float(middle[1])),
        fillcolor=GREY,
    )
    right, bottom = min(left + width, image.width), min(top + height, image.height)
    if right <= left or bottom <= top:
        raise BadImage("its annotation lies outside the picture")
    return resized(level, (left, top, right, bottom), sizes, released)


def make(making: Making) -> None:
    """Make the set. Raises InputError where there are no annotated images."""
    settings, found = making.settings, places(making)
    least = max(settings.resolutions)

    def gather() -> Collection:
        outliers = _outliers(settings.outliers)
        items, left_out = [], {}
        for path in found.all("*.jpg"):
            annotation = path.with_name(f"{path.name}.cat")
            if path.name in outliers:
                left_out[path.name] = "an outlier, by your list"
            elif not annotation.is_file():
                left_out[path.name] = "has no annotation"
            elif (points := _points(annotation)) is None:
                left_out[path.name] = "its annotation cannot be read"
            elif min(crop_box(points)[1][2:]) < least:
                left_out[path.name] = f"its head is smaller than {least} pixels"
            else:
                cut = partial(_cut, points=points, released=settings.released)
                items.append(Item(path.name, path, split_of(path.name, settings.splits), cut))
        if not items:
            raise InputError(f"{found}: no images *.jpg with annotations *.jpg.cat beside them")
        told = {"crop": "by the eyes and ears, as RelativisticGAN", "outliers": len(outliers)}
        return Collection(items, left_out, told=told)

    collect(making, gather, tuple(found.roots))


def _points(annotation: Path) -> np.ndarray | None:
    try:
        numbers = [int(word) for word in annotation.read_text("ascii").split()]
        count, *rest = numbers
        return np.array(rest[: 2 * POINTS]).reshape(POINTS, 2) if count == POINTS else None
    except (ValueError, OSError):
        return None


def _outliers(file: str | None) -> set[str]:
    """Every name of an image in a text."""
    if file is None:
        return set()
    if not Path(file).is_file():
        raise InputError(f"{file}: no such file: name a text with the images to leave out")
    found = set(NAME.findall("\n".join(read_lines(Path(file)))))
    if not found:
        raise InputError(f"{file}: names no images of the set, such as 00000003_015.jpg")
    return found
