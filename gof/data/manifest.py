"""Data sets on disk: a folder of .npz shards and a manifest with their hashes.

A shard holds, for n images: image_{r} uint8 [n, r, r, 3] for every resolution r; and, where there
is ground truth, depth_{r} uint16 [n, r, r] (0 is background, else near + (value - 1) / 65534 * (far
- near) along the ray), normal_{r} int8 [n, r, r, 3] (world, times 127), pose [n, 2] (yaw, pitch),
identity, expression and albedo coefficients, light [n, 9, 3], landmarks [n, 68, 2] on the image
plane (x right, y up, the image spans [-1, 1]) and landmarks_3d [n, 68, 3]. The manifest is written
last: without it there is no data set.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor

from gof.data.settings import DataSet
from gof.geometry.settings import Camera
from gof.run.files import InputError, atomic_write, read_json, sha256, write_json
from gof.run.outputs import prune

FORMAT = 1
SHARDS = f"*-*.{'[0-9a-f]' * 12}.npz"  # names of shards, as `write_shard` makes them
LEVELS = 65534  # steps of a stored depth


@dataclass(frozen=True, slots=True)
class Shard:
    """One file of a split."""

    file: str
    count: int
    bytes: int
    sha256: str


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

    def split(self, name: str) -> Split:
        """A split with images. Raises InputError naming those that have some."""
        if name not in self.splits or not self.splits[name].shards:
            filled = ", ".join(own for own, split in self.splits.items() if split.shards) or "none"
            raise InputError(f"{self.path}: no images in split {name!r} (there are: {filled})")
        return self.splits[name]


def write_shard(path: Path, arrays: Mapping[str, np.ndarray]) -> Shard:
    """Write the arrays of n images, compressed; the bytes depend on nothing but the arrays.

    The file is named after `path` and its content (`train-000.npz` becomes
    `train-000.0123456789ab.npz`), so that no shard of an older data set is touched before the
    manifest names the new ones.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, np.ascontiguousarray(array), allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy")  # a fixed date
            archive.writestr(info, member.getvalue(), zipfile.ZIP_DEFLATED, 1)
    content = buffer.getvalue()
    digest = hashlib.sha256(content).hexdigest()
    file = path.with_suffix(f".{digest[:12]}{path.suffix}")
    atomic_write(file, content)
    count = len(next(iter(arrays.values())))
    return Shard(file.name, count, len(content), digest)


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
            raise InputError(f"{path}: format {values['format']}, this version reads {FORMAT}")
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


def load_split(manifest: Manifest, split: str, names: Sequence[str]) -> dict[str, np.ndarray]:
    """The named arrays of a split, all shards joined. Raises InputError naming the shard that is
    missing, changed or lacks an array."""
    parts: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for shard in manifest.split(split).shards:
        path = manifest.path.parent / shard.file
        if sha256(path) != shard.sha256:
            raise InputError(
                f"{path}: changed since the data set was made (its hash is not the manifest's): "
                "make the data set again"
            )
        with np.load(path, allow_pickle=False) as archive:
            for name in names:
                if name not in archive:
                    raise InputError(f"{path}: holds no {name}: this data set does not have it")
                parts[name].append(archive[name])
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def _stored_size(manifest: Manifest, resolution: int) -> int:
    fitting = [size for size in manifest.resolutions if size % resolution == 0]
    if not fitting:
        raise InputError(
            f"{manifest.path}: no stored size is a multiple of {resolution} "
            f"(stored: {', '.join(map(str, manifest.resolutions))}): add one to its resolutions"
        )
    return min(fitting)


def shrink(images: Tensor, size: int) -> Tensor:
    """Average areas of [batch, k size, k size, channels] to [batch, size, size, channels]."""
    factor = images.shape[1] // size
    # Slice by slice: a mean over both axes takes many times as long.
    rows = reduce(torch.add, images.unflatten(1, (size, factor)).unbind(2))
    return reduce(torch.add, rows.unflatten(2, (size, factor)).unbind(3)) / factor**2


def load_images(manifest: Manifest, split: str, resolution: int) -> Tensor:
    """Images of a split: uint8 [n, 3, r, r]; averaged over areas where only a larger size is
    stored."""
    size = _stored_size(manifest, resolution)
    name = f"image_{size}"
    stored = torch.from_numpy(load_split(manifest, split, [name])[name])
    factor = size // resolution
    if factor == 1:
        return stored.permute(0, 3, 1, 2).contiguous()
    small = [shrink(part.float(), resolution).round().byte() for part in stored.split(256)]
    return torch.cat(small).permute(0, 3, 1, 2).contiguous()


def encode_depth(depth: Tensor, camera: Camera) -> Tensor:
    """Distances along rays, 0 for background -> uint16 as stored."""
    share = (depth - camera.near) / (camera.far - camera.near)
    value = (share.clamp(0, 1) * LEVELS).round().int() + 1
    return torch.where(depth > 0, value, 0).to(torch.uint16)


def load_depth(
    manifest: Manifest, split: str, resolution: int, kind: str = "depth"
) -> tuple[Tensor, Tensor]:
    """Distances along the rays through pixel centres, float32 [n, r, r] with 0 for background, and
    the mask, bool [n, r, r]. kind: the arrays' name before the size.

    Only stored sizes: the mean of depths across an edge is the depth of nothing. Raises InputError
    for others.
    """
    if resolution not in manifest.resolutions:
        raise InputError(
            f"{manifest.path}: no depth at {resolution} pixels "
            f"(stored: {', '.join(map(str, manifest.resolutions))}): use one of these"
        )
    name = f"{kind}_{resolution}"
    value = torch.from_numpy(load_split(manifest, split, [name])[name].astype(np.int32))
    near, far = manifest.camera.near, manifest.camera.far
    mask = value > 0
    depth = near + (value - 1).float() / LEVELS * (far - near)
    return torch.where(mask, depth, 0.0), mask
