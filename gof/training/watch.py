"""What one sees of a training while it runs and at its end.

Nothing here changes a weight, so no stage is trained again when this or its metrics change.
"""

from __future__ import annotations

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
HELD = 64  # validation images that the discriminator is asked about
# A discriminator is at chance where it has been right less often than this, on average over reals
# and fakes, in so many logs one after the other; it overfits where it knows training images better
# than held-out ones by so much in several looks.
CHANCE, CHANCE_LOGS = 0.6, 10
OVERFIT, OVERFIT_LOOKS = 0.3, 3


def held_out(manifest: Manifest, resolution: int, network: DiscriminatorNetwork) -> Tensor | None:
    """Validation images, uint8 [n, 3, r, r], that no training sees, as many as the discriminator
    takes at once; None where there are none."""
    split = manifest.splits.get("validation")
    if split is None or not split.count:
        return None
    reader = Reader(manifest, "validation")
    count = min(HELD, len(reader))
    while not network.takes(count):
        count -= 1
    return reader.images(resolution, range(count))


def probe(task: Task, held: Tensor | None = None) -> Probe:
    """A look at a few shapes of the averaged generator: Sigma, hits, and whether they face outward;
    and at how often the discriminator takes held-out images (see `held_out`) for real."""

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
        if held is not None and now.stage.objective == "adversarial":
            with torch.no_grad(), task.autocast():
                scores, _ = state.discriminator(held.to(device).float() / 127.5 - 1, now.fade)
            found["accuracy_held"] = float((scores > 0).float().mean())
        if fault := discriminator_fault([*state.history, found]):
            say(f"warning: step {state.step}: {fault}")
        return found

    return look


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
    looks = [entry["accuracy_held"] for entry in history if "accuracy_held" in entry]
    looks = looks[-OVERFIT_LOOKS:]
    if logs and len(looks) == OVERFIT_LOOKS:
        known = logs[-1]["accuracy_real"]
        if known - max(looks) > OVERFIT:
            return (
                f"the discriminator overfits: it knows {known:.0%} of the training images and"
                f" {looks[-1]:.0%} of held-out ones; more images, or a larger training.r1_weight"
            )
    return ""


def write_samples(path: Path, model: Pretrained, config: Config) -> None:
    """Write the sample sheet of a finished stage."""
    write_png(path, sample_sheet(model, config, "samples"))
