"""Trains a face regressor on renders of the pool and on the data set with its fits, and measures
it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from gof import rng
from gof.config import Config, Regressor
from gof.data.dataset import Manifest, load_images, load_manifest, load_split
from gof.faces.coefficients import Statistics
from gof.faces.convnet import SIZE, ConvRegressor
from gof.faces.detect import load_landmarks
from gof.faces.fitting import load_fits
from gof.faces.regressor import FaceRegressor, save_regressor
from gof.io import InputError, say, sha256
from gof.job import Job, job

# Sizes at which images are seen in training, by share: generators make small ones.
SEEN = ((64, 0.4), (48, 0.15), (32, 0.25), (24, 0.1), (16, 0.1))
MEASURED = (64, 32, 16)  # sizes at which errors are reported, pixels
NOISE = 0.03  # standard deviation added to images in [-1, 1]: no generator is as clean as a render
# Weights of the losses beside that of the coefficients; landmarks and pose count in their own
# standard deviations.
LANDMARKS, POSE = 4.0, 1.0
WEIGHT_DECAY = 1e-2
WARM_UP = 0.05  # share of the steps over which the learning rate grows
EYES = (36, 45)  # outer corners
LOGGED = 100  # steps between recorded losses
BATCH = 100  # images measured together


@dataclass(frozen=True, slots=True)
class RegressorFiles:
    """What a regressor learns from: manifest of a data set, records of its landmarks and fits,
    manifest of the pool, statistics of the coefficients."""

    data: Path
    landmarks: Path
    fits: Path
    pool: Path
    statistics: Path


@dataclass(frozen=True, slots=True)
class Faces:
    """n labelled images: uint8 [n, 3, SIZE, SIZE], z [n, d], pose [n, 2], landmarks [n, 68, 2]."""

    images: Tensor
    z: Tensor
    pose: Tensor
    landmarks: Tensor

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: Tensor | slice) -> Faces:
        return Faces(self.images[rows], self.z[rows], self.pose[rows], self.landmarks[rows])

    def placed(self) -> Tensor:
        """Pose and landmarks side by side, [n, 2 + 136]."""
        return torch.cat([self.pose, self.landmarks.flatten(1)], -1)


def pool_faces(manifest: Manifest, split: str) -> Faces:
    """Renders of the pool, whose labels are the truth."""
    stored = load_split(manifest, split, ["z", "pose", "landmarks"])
    z, pose, marks = (torch.from_numpy(stored[name]) for name in ("z", "pose", "landmarks"))
    return Faces(load_images(manifest, split, SIZE), z, pose, marks)


def data_faces(files: RegressorFiles, split: str) -> Faces:
    """Images of the data set with their landmarks and fits; those without either are left out.
    Raises InputError when the files are not of the same images."""
    manifest = load_manifest(files.data)
    images = load_images(manifest, split, SIZE)
    marks, fits = load_landmarks(files.landmarks, split), load_fits(files.fits, split)
    if not len(images) == len(marks.found) == len(fits.ok):
        raise InputError(
            f"{files.fits}: {len(fits.ok)} fits and {len(marks.found)} landmarks for {len(images)}"
            f" images of split {split!r}: fit again"
        )
    kept = fits.ok & marks.found
    statistics = Statistics.load(files.statistics)
    z = statistics.whiten(fits.coefficients)
    return Faces(images[kept], z[kept], fits.pose[kept], marks.points[kept])


def to_unit(images: Tensor) -> Tensor:
    """uint8 -> [-1, 1]."""
    return images.float() / 127.5 - 1


class Trainer:
    """Minibatches, one optimiser; every draw is a function of (seed, step)."""

    def __init__(self, settings: Regressor, sizes: list[int], faces: Faces) -> None:
        self.settings, self.sizes, self.faces = settings, sizes, faces
        self.network = ConvRegressor(sum(sizes), settings.width)
        self.network.reset(settings.seed)
        placed = faces.placed()
        self.network.centre.copy_(placed.mean(0))
        self.network.scale[:2] = placed[:, :2].std(0).clamp_min(1e-3)
        self.network.scale[2:] = placed[:, 2:].std(0).mean()  # one for all: errors are lengths
        self.network.to(memory_format=torch.channels_last)
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), settings.lr, weight_decay=WEIGHT_DECAY
        )
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimiser, settings.lr, total_steps=settings.steps, pct_start=WARM_UP
        )

    def batch(self, step: int) -> tuple[Tensor, Faces]:
        """Images [b, 3, r, r] in [-1, 1] of a size of SEEN, noisy, and their labels."""
        own = rng.generator(self.settings.seed, "regressor batch", step)
        rows = torch.randint(len(self.faces), (self.settings.batch,), generator=own)
        faces = self.faces[rows]
        share = torch.tensor([share for _, share in SEEN])
        size = SEEN[int(torch.multinomial(share, 1, generator=own))][0]
        images = to_unit(faces.images)
        images = images if size == SIZE else F.interpolate(images, (size, size), mode="area")
        return images + NOISE * torch.randn(images.shape, generator=own), faces

    def step(self, step: int) -> dict[str, float]:
        """One update; its losses."""
        images, faces = self.batch(step)
        reading = self.network(images.to(memory_format=torch.channels_last))
        scale = self.network.scale
        wrong = (reading.z - faces.z).square().split(self.sizes, -1)
        losses = {
            "coefficients": torch.stack([block.mean() for block in wrong]).mean(),
            "pose": ((reading.pose - faces.pose) / scale[:2]).square().mean(),
            "landmarks": ((reading.landmarks - faces.landmarks) / scale[-1]).abs().mean(),
        }
        total = losses["coefficients"] + POSE * losses["pose"] + LANDMARKS * losses["landmarks"]
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        self.optimiser.step()
        self.schedule.step()
        return {name: float(loss.detach()) for name, loss in losses.items()}


def train(trainer: Trainer, running: Job) -> None:
    """All steps; losses go to the record, to a bar on a terminal, to lines elsewhere."""
    steps, shown = trainer.settings.steps, sys.stderr.isatty()
    for step in tqdm(range(steps), unit="step", disable=not shown):
        losses = trainer.step(step)
        if step % LOGGED and step + 1 < steps:
            continue
        running.metrics(losses, step)
        if not shown:
            text = ", ".join(f"{name} {value:.4f}" for name, value in losses.items())
            say(f"step {step + 1} of {steps}: {text}")


@torch.no_grad()
def read_all(network: FaceRegressor, images: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """z, pose and landmarks of images uint8 [n, 3, SIZE, SIZE], seen at another size."""
    found: list[list[Tensor]] = [[], [], []]
    for part in images.split(BATCH):
        unit = to_unit(part)
        small = unit if size == SIZE else F.interpolate(unit, (size, size), mode="area")
        reading = network(small)
        for own, value in zip(found, (reading.z, reading.pose, reading.landmarks), strict=True):
            own.append(value)
    z, pose, marks = (torch.cat(own) for own in found)
    return z, pose, marks


def nme_percent(found: Tensor, truth: Tensor) -> Tensor:
    """Mean landmark error [n] of landmarks [n, 68, 2], percent of the distance of the outer corners
    of the eyes."""
    apart = (truth[:, EYES[0]] - truth[:, EYES[1]]).norm(dim=-1)
    return 100 * (found - truth).norm(dim=-1).mean(-1) / apart


def correlations(found: Tensor, truth: Tensor, sizes: dict[str, int]) -> dict[str, float]:
    """Correlation of read and true coefficients [n, d], a mean over the dimensions of each
    block."""

    def unit(values: Tensor) -> Tensor:
        return F.normalize(values - values.mean(0), dim=0, eps=1e-12)

    every = (unit(found) * unit(truth)).sum(0)
    parts = every.split(list(sizes.values()))
    return {name: float(part.mean()) for name, part in zip(sizes, parts, strict=True)}


def measure(
    network: FaceRegressor, test: Faces, pool: Faces, sizes: dict[str, int]
) -> dict[str, Any]:
    """Errors on the data set's test images at several sizes, and on renders of the pool what only
    they have the truth of."""
    error = {}
    for size in MEASURED:
        _, pose, marks = read_all(network, test.images, size)
        error[f"{size} px"] = {
            "landmark_nme_percent": float(nme_percent(marks, test.landmarks).mean()),
            "pose_error": float((pose - test.pose).abs().mean()),
        }
    z, _, marks = read_all(network, pool.images, SIZE)
    return {
        "test": error,
        "pool": {
            "landmark_nme_percent": float(nme_percent(marks, pool.landmarks).mean()),
            "correlation": correlations(z, pool.z, sizes),
        },
    }


def model_name(name: str) -> str:
    """The name in tables: the judge is the one that metrics report."""
    return "regressor" if name == "judge" else f"regressor_{name}"


def run_regressor(config: Config, name: str, files: RegressorFiles, out: Path) -> None:
    """Train and measure the regressor `name` of the configuration; beside the record `out` come
    regressor.yaml and its weights. Raises InputError for an unknown name and for files that do not
    fit each other."""
    settings: Regressor = getattr(config.faces.regressors, name)
    inputs = {key: getattr(files, key) for key in RegressorFiles.__dataclass_fields__}
    with job(out, "regressor", config, inputs) as running:
        torch.set_num_threads(1)
        pool = load_manifest(files.pool)
        sizes = Statistics.load(files.statistics).sizes
        rendered, own = pool_faces(pool, "train"), data_faces(files, "train")
        if rendered.z.shape[1] != sum(sizes.values()):
            raise InputError(f"{files.pool}: rendered from other statistics: make the pool again")
        pairs = [
            torch.cat([getattr(part, key) for part in (rendered, own)])
            for key in Faces.__dataclass_fields__
        ]
        trainer = Trainer(settings, list(sizes.values()), Faces(*pairs))
        train(trainer, running)
        network = trainer.network.eval().requires_grad_(False)
        test, drawn = data_faces(files, "test"), pool_faces(pool, "test")
        numbers = measure(network, test, drawn, sizes)
        row = {
            "model": model_name(name),
            "metric": "landmark_nme_percent",
            "value": numbers["test"][f"{SIZE} px"]["landmark_nme_percent"],
            "spread": 0.0,
            "n": len(test),
            "protocol": f"mean over the test images at {SIZE} px, outer corners of the eyes",
        }
        running.numbers = {"rows": [row], **numbers, "trained_on": len(trainer.faces)}
        info = {
            "name": name,
            "seed": settings.seed,
            "steps": settings.steps,
            "statistics": sha256(files.statistics),
        }
        save_regressor(out.with_suffix(".yaml"), network, info)
