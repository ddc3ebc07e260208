"""Renders of BFM-2009 heads with depth, as unsup3d publishes them."""

from __future__ import annotations

from functools import partial
from math import radians, tan
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from gof.data.collection import Collection, Item, centre, collect, decode, resized
from gof.data.manifest import encode_depth
from gof.data.shards import Arrays
from gof.data.source import Making
from gof.published.places import places
from gof.published.settings import Synface
from gof.run.files import InputError
from gof.run.images import BadImage

SIDE = 170  # pixels of the centre square
FOV_DEG = 10.0  # over that square
NEAR, FAR = 0.9, 1.1  # z depths of white and black
SPLITS = {"train": "train", "val": "validation", "test": "test"}


def distances(grey: np.ndarray) -> np.ndarray:
    """Grey values of depth [h, w], 0 to 255 over the centre square, to distances along rays; 0
    where the background is, which is black. Source: unsup3d, whose depth is along the viewing
    axis."""
    z = NEAR + (FAR - NEAR) * (1 - grey / 255.0)
    line = (np.arange(len(grey)) + 0.5) / len(grey) * 2 - 1
    slope = tan(radians(FOV_DEG) / 2) * line
    return np.where(grey > 0, z * np.sqrt(1 + slope**2 + slope[:, None] ** 2), 0.0)


def _cut(image: Image.Image, sizes: tuple[int, ...], depth: Path, settings: Synface) -> Arrays:
    if not depth.is_file():
        raise BadImage("has no partner among the depths")
    grey = decode(depth, settings.background)
    if grey.size != image.size or min(image.size) < SIDE:
        raise BadImage(f"{image.width} x {image.height} pixels, its depth {grey.size}: not a pair")
    box = centre(image.size, SIDE)
    arrays = resized(image, box, sizes, settings.released)
    left, top = int(box[0]), int(box[1])
    square = np.asarray(grey)[top : top + SIDE, left : left + SIDE, 0]
    along = torch.from_numpy(distances(square)).float()
    for size in sizes:
        # By the nearest pixel: a mean over an edge is the depth of nothing.
        nearest = ((torch.arange(size) + 0.5) * SIDE / size).long()
        arrays[f"depth_{size}"] = encode_depth(along[nearest][:, nearest], settings.camera).numpy()
    return arrays


def make(making: Making) -> None:
    """Make the set; pairs that are not whole are left out and named. Raises InputError where there
    are none."""
    settings, found = making.settings, places(making)

    def gather() -> Collection:
        top = found.find("train", folder=True).parent
        items = []
        for name, split in SPLITS.items():
            for path in sorted((top / name / "image").glob("*.png")):
                partner = top / name / "depth" / path.name.replace("image", "depth")
                cut = partial(_cut, depth=partner, settings=settings)
                items.append(Item(f"{name}/{path.name}", path, split, cut))
        if not items:
            raise InputError(f"{top}: no train/image/*.png in it: is this synface?")
        told = {"crop": f"centre {SIDE} pixels", "depth": f"z depth at fov {FOV_DEG:.0f}"}
        return Collection(items, {}, ("images", "depth"), told)

    collect(making, gather, tuple(found.roots))
