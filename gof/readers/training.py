"""Trains a face regressor on renders of the pool and on the data set with its fits, and measures
it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from gof.data.manifest import load_manifest
from gof.experiment.config import Config
from gof.morphable.landmarks import ERROR, nme_percent
from gof.morphable.meshes import load_pair
from gof.readers.convnet import SIZE, ConvRegressor
from gof.readers.data import (
    LabelledFaces,
    data_faces,
    pool_faces,
    shown,
    to_unit,
    training_faces,
    visibility,
)
from gof.readers.deep3d import load_deep3d
from gof.readers.files import FaceRegressor, save_regressor
from gof.readers.jobs import INPUTS, RegressorJob
from gof.readers.settings import Regressor
from gof.run import rng
from gof.run.columns import described
from gof.run.files import say, sha256
from gof.run.job import Job, job
from gof.run.outputs import Writes
from gof.run.target import placed
from gof.workarounds.optimizers import AdamW

# Sizes at which images are seen in training, by share: generators make small ones.
SEEN = ((64, 0.4), (48, 0.15), (32, 0.25), (24, 0.1), (16, 0.1))
MEASURED = (64, 32, 16)  # sizes at which errors are reported, pixels
NOISE = 0.03  # standard deviation added to images in [-1, 1]: no generator is as clean as a render
# Weights of the losses. Coefficients count by what they show (`visibility`), else by themselves:
# half of the whitened dimensions show so little that no image tells them. Landmarks and pose count
# in their own standard deviations.
SHOWN, PLAIN, LANDMARKS, POSE = 3.0, 0.1, 4.0, 1.0
WEIGHT_DECAY = 1e-2
WARM_UP = 0.05  # share of the steps over which the learning rate grows
LOGGED = 100  # steps between recorded losses
BATCH = 100  # images measured together


class Trainer:
    """Minibatches, one optimiser; every draw is a function of (seed, step)."""

    def __init__(
        self, settings: Regressor, name: str, metric: dict[str, Tensor], faces: LabelledFaces
    ) -> None:
        self.settings, self.name, self.metric, self.faces = settings, name, metric, faces
        self.network = ConvRegressor(sum(map(len, metric.values())), settings.width)
        self.network.reset(settings.seed, name)
        placed = faces.placed()
        self.network.centre.copy_(placed.mean(0))
        self.network.scale[:2] = placed[:, :2].std(0).clamp_min(1e-3)
        self.network.scale[2:] = placed[:, 2:].std(0).mean()  # one for all: errors are lengths
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimiser = AdamW(
            self.network.parameters(), settings.lr, weight_decay=WEIGHT_DECAY, fused=True
        )
        grows = max(WARM_UP, 2 / settings.steps)  # a step of growth at least
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimiser, settings.lr, total_steps=settings.steps, pct_start=grows
        )

    def batch(self, step: int) -> tuple[Tensor, LabelledFaces]:
        """Images [b, 3, r, r] in [-1, 1] of a size of SEEN, noisy, and their labels."""
        own = rng.generator(self.settings.seed, f"regressor batch/{self.name}", step)
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
        wrong = shown(reading.z - faces.z, self.metric).values()
        losses = {
            "shown": torch.stack([block.square().sum(-1).mean() for block in wrong]).mean(),
            "coefficients": (reading.z - faces.z).square().mean(),
            "pose": ((reading.pose - faces.pose) / scale[:2]).square().mean(),
            "landmarks": ((reading.landmarks - faces.landmarks) / scale[-1]).abs().mean(),
        }
        weights = {"shown": SHOWN, "coefficients": PLAIN, "pose": POSE, "landmarks": LANDMARKS}
        total = torch.stack([weights[name] * loss for name, loss in losses.items()]).sum()
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


def correlations(found: Tensor, truth: Tensor, metric: dict[str, Tensor]) -> dict[str, float]:
    """Correlation of read and true coefficients [n, d] by block, in the metric of `visibility`."""
    pairs = zip(shown(found, metric).values(), shown(truth, metric).values(), strict=True)
    centred = [(a - a.mean(0), b - b.mean(0)) for a, b in pairs]
    values = [(a * b).sum() / (a.norm() * b.norm()).clamp_min(1e-12) for a, b in centred]
    return {name: float(value) for name, value in zip(metric, values, strict=True)}


def measure(
    network: FaceRegressor, test: LabelledFaces, pool: LabelledFaces, metric: dict[str, Tensor]
) -> dict[str, Any]:
    """Errors on the data set's test images at several sizes, and on renders of the pool what only
    they have the truth of. Pose errors are mean angles in radians."""
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
            "correlation": correlations(z, pool.z, metric),
        },
    }


def run_regressor(config: Config, wanted: RegressorJob) -> None:
    """Train and measure a regressor (teacher or judge) of the configuration, or take over the
    user's; beside the record come regressor.yaml and its weights. Raises InputError for
    files that do not fit each other."""
    name, out = wanted.name, placed(wanted.out, "regressor.json")
    settings: Regressor = getattr(config.faces.regressors, name)
    inputs = {key: getattr(wanted, key) for key in INPUTS}
    if settings.deep3d is not None:
        inputs["deep3d"] = Path(settings.deep3d)
    writes = Writes((out.with_suffix(".yaml"), out.with_suffix(".safetensors")))
    with job(out, "regressor", config, inputs, writes) as running:
        torch.set_num_threads(1)
        model, statistics = load_pair(wanted.head_model, wanted.statistics)
        metric = visibility(model, statistics)
        network: FaceRegressor
        if settings.deep3d is not None:
            fov_deg = load_manifest(wanted.data).camera.fov_deg
            network = load_deep3d(Path(settings.deep3d), model, statistics, fov_deg)
        else:
            trainer = Trainer(settings, name, metric, training_faces(wanted))
            train(trainer, running)
            network = trainer.network.eval().requires_grad_(False)
        test, drawn = data_faces(wanted, "test"), pool_faces(wanted, "test")
        numbers = measure(network, test, drawn, metric)
        row = {
            "model": "regressor" if name == "judge" else f"regressor_{name}",
            "metric": "landmark_nme_percent",
            "value": numbers["test"][f"{SIZE} px"]["landmark_nme_percent"],
            "spread": 0.0,
            "n": len(test),
            "protocol": f"mean over the test images at {SIZE} px, outer corners of the eyes",
        }
        running.numbers = {"rows": [row], "columns": described("faces", (ERROR,)), **numbers}
        info: dict[str, Any] = {"name": name, "settings": settings.model_dump(mode="json")}
        info["statistics"] = sha256(wanted.statistics)
        save_regressor(out.with_suffix(".yaml"), network, info)
