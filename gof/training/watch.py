"""What one sees of a training while it runs and at its end.

Nothing here changes a weight, so no stage is trained again when this or its metrics change.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from gof.data.manifest import Manifest
from gof.data.reader import Reader
from gof.experiment.config import Config
from gof.geometry.cameras import camera_rays
from gof.metrics.scores.ray_profile import outward, quick_sigma
from gof.models.pretrained import Pretrained
from gof.models.settings import DiscriminatorNetwork
from gof.pictures.views import sample_sheet
from gof.rendering.render import render
from gof.run import rng
from gof.run.files import say, write_png
from gof.training.loop import Probe
from gof.training.schedule import StepPlan
from gof.training.state import TrainState
from gof.training.task import Task

PROBE_LATENTS, PROBE_RESOLUTION = 8, 24
HELD = 64  # images of either split that the discriminator is asked about
# A discriminator is at chance where it has been right less often than this, on average over reals
# and fakes, in so many logs one after the other; it overfits where it ranks training images above
# held-out ones so often in several looks.
CHANCE, CHANCE_LOGS = 0.6, 10
OVERFIT, OVERFIT_LOOKS = 0.7, 3


@dataclass(frozen=True, slots=True)
class Compared:
    """Training images and as many that no training sees, uint8 [n, 3, r, r]."""

    seen: Tensor
    held: Tensor


def compared(manifest: Manifest, resolution: int, network: DiscriminatorNetwork) -> Compared | None:
    """The first images of training and of validation, as many as the discriminator takes at once;
    None where there are none."""
    split = manifest.splits.get("validation")
    if split is None or not split.count:
        return None
    readers = Reader(manifest, "train"), Reader(manifest, "validation")
    count = min(HELD, *map(len, readers))
    while not network.takes(count):
        count -= 1
    return Compared(*(reader.images(resolution, range(count)) for reader in readers))


def probe(task: Task, images: Compared | None = None) -> Probe:
    """A look at a few shapes of the averaged generator: Sigma, hits, and whether they face outward;
    and at how often the discriminator ranks a training image above a held-out one.

    Ranks, since how many it takes for real swings with every step of the generator; 0.5 is that of
    a discriminator that knows none by heart.
    """

    def look(state: TrainState, now: StepPlan) -> dict[str, float]:
        device = task.world.device
        streams = rng.streams(0, "probe", range(PROBE_LATENTS), device)
        z = streams.normal(task.networks.mapping.latent)
        settings = task.rendering(now.half_width)
        with torch.no_grad():
            field = state.ema.bind(state.ema.style(z))
            poses = z.new_zeros(PROBE_LATENTS, 2)
            rays = camera_rays(poses, PROBE_RESOLUTION, task.camera.fov_deg)
            out = render(field, rays, settings)
            sigma = quick_sigma(field, rays, settings)
        square = (PROBE_RESOLUTION, PROBE_RESOLUTION)
        facing = outward(out.surface_t.unflatten(-1, square), out.hit.unflatten(-1, square))
        share = float(facing.float().mean())
        if share < 0.5:
            inward = PROBE_LATENTS - int(facing.sum())
            say(
                f"warning: step {state.step}: {inward} of {PROBE_LATENTS} shapes face inward or"
                " have no surface: try another seed or start_shape.radius > 0"
            )
        found = {"sigma": sigma, "outward": share}
        if images is not None and now.stage.objective == "adversarial":
            seen, held = (
                _scores(state, split.to(device), now.fade) for split in (images.seen, images.held)
            )
            found["seen_above_held"] = _above(seen, held)
        if fault := discriminator_fault([*state.history, found]):
            say(f"warning: step {state.step}: {fault}")
        return found

    return look


@torch.no_grad()
def _scores(state: TrainState, images: Tensor, fade: float) -> Tensor:
    """What the discriminator says of uint8 images, in full precision."""
    scores: Tensor = state.discriminator(images.float() / 127.5 - 1, fade)[0]
    return scores


def _above(some: Tensor, others: Tensor) -> float:
    """Share of all pairs in which the first is larger; equals count half."""
    apart = some[:, None] - others
    return float(((1 + apart.sign()) / 2).mean())


def discriminator_fault(history: list[dict[str, float]]) -> str:
    """What is wrong with a discriminator by the log of its stage, and what to do; empty where
    nothing is."""
    logs = [entry for entry in history if "accuracy_real" in entry][-CHANCE_LOGS:]
    right = [(entry["accuracy_real"] + entry["accuracy_fake"]) / 2 for entry in logs]
    if len(logs) == CHANCE_LOGS and max(right) < CHANCE:
        return (
            f"the discriminator has been at chance for {CHANCE_LOGS} logs (right {right[-1]:.0%} of"
            " the time): the generator learns little; lower training.r1_weight or raise"
            " lr_discriminator"
        )
    looks = [entry["seen_above_held"] for entry in history if "seen_above_held" in entry]
    looks = looks[-OVERFIT_LOOKS:]
    if len(looks) == OVERFIT_LOOKS and min(looks) > OVERFIT:
        return (
            f"the discriminator overfits: it ranks training images above held-out ones in"
            f" {looks[-1]:.0%} of pairs; more images, or a larger training.r1_weight"
        )
    return ""


def write_samples(path: Path, model: Pretrained, config: Config) -> None:
    """Write the sample sheet of a finished stage."""
    write_png(path, sample_sheet(model, config.samples, "samples"))
