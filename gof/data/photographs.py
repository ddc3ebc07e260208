"""The images of a folder as a data set."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from gof.data.collection import Collection, Cut, Item, collect, crop_and_resize, split_of
from gof.data.manifest import ESTIMATED, Manifest
from gof.data.reader import load_split
from gof.data.settings import Photographs
from gof.data.source import Making
from gof.geometry.pose_law import fitted_law
from gof.run.files import InputError, say
from gof.run.images import named_like_one

NAMED = 4  # files left out that a line names


def visible_files(folder: Path) -> list[Path]:
    """All visible files below a folder, in order of their relative path. Raises InputError where
    there is no such folder, or one cannot be read."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of images")

    def unreadable(error: OSError) -> None:
        raise InputError(f"{error.filename}: cannot be read ({error.strerror}): check permissions")

    found = []
    for place, folders, names in os.walk(folder, onerror=unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place, name) for name in names if not name.startswith(".")]
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def _gather(settings: Photographs, cut: Cut) -> Collection:
    """All images below the folder; says which other files are left out, and how many of each
    kind."""
    folder = Path(settings.folder)
    items, other = [], []
    for path in visible_files(folder):
        name = path.relative_to(folder).as_posix()
        if named_like_one(path):
            items.append(Item(name, path, split_of(name, settings.splits), cut))
        else:
            other.append(name)
    if other:
        more = f" and {len(other) - NAMED} more" if len(other) > NAMED else ""
        kinds = Counter(Path(name).suffix.lower() or "no ending" for name in other)
        counts = ", ".join(f"{count} of {kind}" for kind, count in kinds.most_common())
        names = f"{', '.join(other[:NAMED])}{more}"
        say(f"{folder}: left out, by their names no images: {names} ({counts})")
    if not items:
        raise InputError(f"{folder}: holds no images: give the folder of the photographs")
    return Collection(items, dict.fromkeys(other, "by its name no image"))


def prepare(making: Making, cut: Cut | None = None) -> None:
    """Make a data set of all images of a folder: see `gof.data.collection.collect`. There are no
    true poses and no ground truth. cut: what is taken of each; without it, the middle."""
    settings = making.settings
    middle = partial(crop_and_resize, share=settings.crop_share, released=settings.released)
    collect(
        making,
        lambda: _gather(settings, cut or middle),
        (Path(settings.folder),),
        partial(_with_prior, settings),
    )


def _with_prior(settings: Photographs, manifest: Manifest) -> Manifest:
    """The manifest, told of estimated poses, and with their law where it is asked for."""
    if settings.align:
        manifest.provenance[ESTIMATED] = True
    if settings.prior == "camera":
        return manifest
    poses = torch.from_numpy(load_split(manifest, "train", [ESTIMATED])[ESTIMATED])
    return replace(manifest, camera=fitted_law(manifest.camera, poses))
