"""Data sets on disk: a folder of shards (`gof.data.shards`) and a manifest with their hashes.

A shard holds, for n images: image_{r} uint8 [n, r, r, 3] for every resolution r; and, where there
is ground truth, depth_{r} uint16 [n, r, r] (0 is background, else near + (value - 1) / 65534 * (far
- near) along the ray), normal_{r} int8 [n, r, r, 3] (world, times 127), pose [n, 2] (yaw, pitch),
identity, expression and albedo coefficients, light [n, 9, 3], landmarks [n, 68, 2] on the image
plane (x right, y up, the image spans [-1, 1]) and landmarks_3d [n, 68, 3]. Aligned photographs of
faces have pose_estimate [n, 2] in place of the truth. The manifest is written last: without it
there is no data set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

from gof.data.settings import DataSet
from gof.data.shards import SHARDS, Shard
from gof.geometry.settings import Camera
from gof.run.files import InputError, read_json, write_json
from gof.run.outputs import prune

FORMAT = 2  # 1: compressed shards, .npz
ESTIMATED = "pose_estimate"  # array of yaws and pitches that nobody knows better
LEVELS = 65534  # steps of a stored depth


@dataclass(frozen=True, slots=True)
class Split:
    """The images of one purpose, in order."""

    count: int
    shards: tuple[Shard, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a data set holds and offers. `path` is the manifest's own; shards lie beside it; flip:
    whether images may be mirrored."""

    path: Path
    name: str
    camera: Camera
    background: tuple[float, float, float]
    resolutions: tuple[int, ...]
    splits: dict[str, Split]
    provenance: dict[str, Any] = field(default_factory=dict)
    offers: tuple[str, ...] = ("images",)  # see gof.data.settings.OFFERS
    flip: bool = False

    @property
    def files(self) -> list[str]:
        """Names of all shards."""
        return [shard.file for split in self.splits.values() for shard in split.shards]

    @classmethod
    def of(
        cls,
        path: Path,
        name: str,
        settings: DataSet,
        splits: dict[str, Split],
        offers: tuple[str, ...],
    ) -> Manifest:
        """The manifest of a data set made after its settings."""
        sizes, colour = tuple(settings.resolutions), settings.background
        own = {"source": settings.source}
        return cls(path, name, settings.camera, colour, sizes, splits, own, offers, settings.flip)

    def must_be_seen_by(self, other: Path, camera: Camera, background: Sequence[float]) -> None:
        """Raise InputError where what `other` holds has not this data set's camera and background,
        naming the first contradiction."""
        values = {f"camera.{key}": (getattr(camera, key), own) for key, own in self.camera}
        # Other files hold colours in other units.
        near = (tuple(round(value, 5) for value in each) for each in (background, self.background))
        for name, (theirs, own) in {**values, "background": tuple(near)}.items():
            if theirs != own:
                raise InputError(
                    f"{other}: its {name} is {theirs}, {self.path} has {own}: give files that were"
                    " made for one data set"
                )

    def split(self, name: str) -> Split:
        """A split with images. Raises InputError naming those that have some."""
        if name not in self.splits or not self.splits[name].shards:
            filled = ", ".join(own for own, split in self.splits.items() if split.shards) or "none"
            raise InputError(f"{self.path}: no images in split {name!r} (there are: {filled})")
        return self.splits[name]


def write_manifest(manifest: Manifest) -> None:
    """Write the manifest, the last file of a data set; then shards that it does not name go."""
    splits = {
        name: {"count": split.count, "shards": [asdict(shard) for shard in split.shards]}
        for name, split in manifest.splits.items()
    }
    values = {
        "format": FORMAT,
        "name": manifest.name,
        "camera": manifest.camera.model_dump(mode="json"),
        "background": list(manifest.background),
        "resolutions": list(manifest.resolutions),
        "splits": splits,
        "offers": list(manifest.offers),
        "flip": manifest.flip,
        "provenance": manifest.provenance,
    }
    write_json(manifest.path, values)
    prune(manifest.path.parent, SHARDS, manifest.files)


def load_manifest(path: Path) -> Manifest:
    """Read a manifest. Raises InputError naming the file and what is wrong with it."""
    values = read_json(path)
    try:
        if values["format"] != FORMAT:
            raise InputError(
                f"{path}: format {values['format']}, this version reads {FORMAT}: make it again"
            )
        splits = {
            name: Split(split["count"], tuple(Shard(**shard) for shard in split["shards"]))
            for name, split in values["splits"].items()
        }
        red, green, blue = values["background"]
        return Manifest(
            path,
            values["name"],
            Camera.model_validate(values["camera"]),
            (red, green, blue),
            tuple(values["resolutions"]),
            splits,
            values["provenance"],
            tuple(values["offers"]),
            bool(values["flip"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, ValidationError) as error:
        if isinstance(error, InputError):
            raise
        reason = " ".join(str(error).split())[:120]
        raise InputError(
            f"{path}: not a data set manifest ({type(error).__name__}: {reason}): make it again"
        ) from None


def encode_depth(depth: Tensor, camera: Camera) -> Tensor:
    """Distances along rays, 0 for background -> uint16 as stored."""
    share = (depth - camera.near) / (camera.far - camera.near)
    value = (share.clamp(0, 1) * LEVELS).round().int() + 1
    return torch.where(depth > 0, value, 0).to(torch.uint16)
