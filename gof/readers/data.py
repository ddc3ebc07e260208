"""What a face regressor learns from: labelled images, and how much each coefficient shows."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gof.data.manifest import Manifest, load_manifest
from gof.data.reader import Reader, load_images, load_split
from gof.fitting.fit import load_fits
from gof.fitting.landmark_set import load_landmarks
from gof.geometry.images import resize
from gof.geometry.lighting import KERNEL
from gof.morphable.coefficients import Statistics
from gof.morphable.model import MorphableModel, Palette
from gof.readers.convnet import SIZE
from gof.readers.jobs import RegressorJob
from gof.run.files import InputError, sha256

STEP = 1e-2  # of albedo coefficients, to see what they do to colours


@dataclass(frozen=True, slots=True)
class LabelledFaces:
    """n labelled images: uint8 [n, 3, SIZE, SIZE], z [n, d], pose [n, 2], landmarks [n, 68, 2]."""

    images: Tensor
    z: Tensor
    pose: Tensor
    landmarks: Tensor

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: Tensor | slice) -> LabelledFaces:
        return LabelledFaces(self.images[rows], self.z[rows], self.pose[rows], self.landmarks[rows])

    def placed(self) -> Tensor:
        """Pose and landmarks side by side, [n, 2 + 136]."""
        return torch.cat([self.pose, self.landmarks.flatten(1)], -1)


def images_of(manifest: Manifest, split: str) -> Tensor:
    """Images of a split, uint8 [n, 3, SIZE, SIZE], from the size stored that is best for it."""
    if any(size % SIZE == 0 for size in manifest.resolutions):
        return load_images(manifest, split, SIZE)
    reader, largest = Reader(manifest, split), max(manifest.resolutions)
    blocks = (reader.images(largest, numbers) for numbers in reader.blocks())
    return torch.cat([resize(part.float(), SIZE).round().byte() for part in blocks])


def pool_faces(wanted: RegressorJob, split: str) -> LabelledFaces:
    """Renders of the pool, whose labels are the truth. Raises InputError where they were drawn from
    other statistics."""
    manifest = load_manifest(wanted.pool)
    if manifest.provenance.get("statistics") != sha256(wanted.statistics):
        raise InputError(
            f"{wanted.pool}: drawn from other statistics than {wanted.statistics}: make it again"
        )
    stored = load_split(manifest, split, ["z", "pose", "landmarks"])
    z, pose, marks = (torch.from_numpy(stored[name]) for name in ("z", "pose", "landmarks"))
    return LabelledFaces(images_of(manifest, split), z, pose, marks)


def data_faces(wanted: RegressorJob, split: str) -> LabelledFaces:
    """Images of the data set with their landmarks and fits; those without either are left out.
    Raises InputError where these are not of the same images, or nothing is left."""
    images = images_of(load_manifest(wanted.data), split)
    marks, fits = load_landmarks(wanted.landmarks, split), load_fits(wanted.fits, split)
    if not len(images) == len(marks.found) == len(fits.ok):
        raise InputError(
            f"{wanted.fits}: {len(fits.ok)} fits and {len(marks.found)} landmarks for {len(images)}"
            f" images of split {split!r}: fit again"
        )
    kept = fits.ok & marks.found
    if not kept.any():
        raise InputError(f"{wanted.fits}: no image of split {split!r} was fitted")
    z = Statistics.load(wanted.statistics).whiten(fits.coefficients)
    return LabelledFaces(images[kept], z[kept], fits.pose[kept], marks.points[kept])


def training_faces(wanted: RegressorJob) -> LabelledFaces:
    """Training images of the pool and of the data set."""
    parts = [pool_faces(wanted, "train"), data_faces(wanted, "train")]
    names = LabelledFaces.__dataclass_fields__
    return LabelledFaces(*(torch.cat([getattr(part, name) for part in parts]) for name in names))


def to_unit(images: Tensor) -> Tensor:
    """uint8 -> [-1, 1]."""
    return images.float() / 127.5 - 1


def visibility(model: MorphableModel, statistics: Statistics) -> dict[str, Tensor]:
    """For each block a matrix w [d, d] such that |(z - z') w|^2 is how far apart whitened
    coefficients z and z' show, over the mean of |z w|^2: squared displacements of the vertices
    (identity, expression), differences of their colours (albedo), of the light that surfaces send
    back (light)."""
    kernel = torch.tensor(KERNEL, dtype=torch.float64)
    grams = {
        "identity": _gram(model.identity),
        "expression": _gram(model.expression),
        "albedo": _gram(_colour_basis(model.palette, statistics.mean["albedo"])),
        "light": (kernel**2).repeat_interleave(3).diag(),
    }
    found = {}
    for name, gram in grams.items():
        factor = statistics.factor[name].double()
        shown = factor.mT @ gram @ factor
        value, vector = torch.linalg.eigh(shown / shown.trace())
        found[name] = (vector * value.clamp_min(0).sqrt()).float()
    return found


def shown(z: Tensor, metric: dict[str, Tensor]) -> dict[str, Tensor]:
    """Whitened coefficients [n, d] by block in the metric of `visibility`: [n, size] each, of mean
    square length 1 for z ~ N(0, I)."""
    parts = z.split([len(own) for own in metric.values()], -1)
    return {name: part @ own for (name, own), part in zip(metric.items(), parts, strict=True)}


def _gram(basis: Tensor) -> Tensor:
    """Inner products [d, d] of the rows of [d, ...]."""
    flat = basis.flatten(1).double()
    return flat @ flat.mT


def _colour_basis(palette: Palette, mean: Tensor) -> Tensor:
    """Change of the vertices' colours [k, v, 3] with each albedo coefficient, about the mean."""
    steps = STEP * torch.eye(len(mean))
    return (palette.colours(mean + steps) - palette.colours(mean - steps)) / (2 * STEP)
