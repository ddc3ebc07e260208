"""Cars of CARLA, as GRAF renders them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from gof.data.collection import Collection, Item, centre, collect, resized, split_of
from gof.data.shards import Arrays
from gof.data.source import Making
from gof.published.places import places
from gof.run.files import InputError, read_npy


def pose_of(extrinsics: np.ndarray) -> np.ndarray:
    """Yaw and pitch [2] of a camera to world matrix [3, 4] of a world with z up: the place of the
    camera, seen from the origin, at which it looks."""
    x, y, z = extrinsics[:, 3] / np.linalg.norm(extrinsics[:, 3])
    return np.array([np.arctan2(x, -y), np.arcsin(np.clip(z, -1, 1))], np.float32)


def _cut(
    image: Image.Image, sizes: tuple[int, ...], pose: np.ndarray | None, released: bool
) -> Arrays:
    arrays = resized(image, centre(image.size, min(image.size)), sizes, released)
    return arrays if pose is None else {**arrays, "pose": pose}


def make(making: Making) -> None:
    """Make the set; transparent pixels become its background. Raises InputError where images or,
    if they are asked for, poses are missing."""
    settings, found = making.settings, places(making)

    def gather() -> Collection:
        extrinsics = {path.name: path for path in found.all("*_extrinsics.npy")}
        items, left_out = [], {}
        for path in found.all("*.png"):
            pose = None
            if settings.poses:
                name = f"{path.stem}_extrinsics.npy"
                pose = _pose(extrinsics[name]) if name in extrinsics else None
                if pose is None:
                    left_out[path.name] = "has no camera, or one that cannot be read"
                    continue
            cut = partial(_cut, pose=pose, released=settings.released)
            items.append(Item(path.name, path, split_of(path.name, settings.splits), cut))
        if not items:
            raise InputError(
                f"{found}: no images *.png"
                + (" with *_extrinsics.npy (without: poses: false)" if settings.poses else "")
            )
        offers = ("images", "poses") if settings.poses else ("images",)
        return Collection(items, left_out, offers, {"crop": "none"})

    collect(making, gather, tuple(found.roots))


def _pose(file: Path) -> np.ndarray | None:
    try:
        matrix = read_npy(file)
        usable = matrix.shape == (3, 4) and np.isfinite(matrix).all() and matrix[:, 3].any()
        return pose_of(matrix.astype(np.float64)) if usable else None
    except (InputError, TypeError):
        return None
