"""What one sees of a training while it runs and at its end.

Nothing here changes a weight, so no stage is trained again when this or its metrics change.
"""

from __future__ import annotations

from pathlib import Path

import torch

from gof.experiment.config import Config
from gof.geometry.cameras import camera_rays
from gof.metrics.scores.ray_profile import outward, quick_sigma
from gof.models.pretrained import Pretrained
from gof.pictures.views import sample_sheet
from gof.rendering.render import render
from gof.run import rng
from gof.run.files import say, write_png
from gof.training.loop import Probe
from gof.training.schedule import StepPlan
from gof.training.state import TrainState
from gof.training.task import Task

PROBE_LATENTS, PROBE_RESOLUTION = 8, 24


def probe(task: Task) -> Probe:
    """A look at a few shapes of the averaged generator: Sigma, hits, and whether they face
    outward."""

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
        return {"sigma": sigma, "outward": share}

    return look


def write_samples(path: Path, model: Pretrained, config: Config) -> None:
    """Write the sample sheet of a finished stage."""
    write_png(path, sample_sheet(model, config, "samples"))
