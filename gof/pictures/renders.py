"""`gof render` and `gof video`: heads by their numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from gof.experiment.config import Config
from gof.models import pretrained as generators
from gof.models.pretrained import Pretrained
from gof.models.seeds import seeds_of
from gof.pictures.jobs import RenderJob, VideoJob
from gof.pictures.video import MILLISECONDS, SUFFIXES, encoded
from gof.pictures.views import ViewRequest, Views, render_views, sheet, to_uint8
from gof.run import machine
from gof.run.files import InputError, atomic_write, write_png
from gof.run.job import job
from gof.run.outputs import Writes
from gof.run.target import placed

DEPTH_OF_WHITE = 2.0  # camera radii; the camera is 1 from the middle
NOD = 0.3  # of a swing's yaw is its pitch


def pictures(seen: Views, wanted: RenderJob) -> dict[str, np.ndarray]:
    """The pictures of one view by the ends of their names: colours, with --alpha as RGBA, normals
    as (n + 1) / 2, depth as 16 bits of DEPTH_OF_WHITE and 0 where nothing is hit."""
    colours = to_uint8(seen.rgb[0])
    if wanted.alpha:
        alpha = (seen.alpha[0].clamp(0, 1) * 255).round().to(torch.uint8).numpy()
        colours = np.dstack([colours, alpha])
    found = {"": colours}
    if wanted.normals:
        found["-normal"] = to_uint8(seen.normal_picture()[0])
    if wanted.depth:
        share = (seen.surface_t[0] / DEPTH_OF_WHITE).clamp(0, 1) * seen.hit[0]
        found["-depth"] = (share * 65535).round().numpy().astype(np.uint16)
    return found


def _views(
    model: Pretrained, wanted: RenderJob, seeds: list[int], size: int
) -> Iterator[tuple[str, Views]]:
    """Each head from each side, and the name of its picture."""
    asked = [(seed, yaw) for seed in seeds for yaw in wanted.yaw]
    for seed, yaw in tqdm(asked, desc="pictures", disable=None):
        pose = torch.tensor([[yaw, wanted.pitch]])
        latent = model.heads([seed])
        request = ViewRequest(latent, pose, size, wanted.truncation, normals=wanted.normals)
        name = f"seed{seed:04d}" + (_named(yaw) if len(wanted.yaw) > 1 else "")
        yield name, render_views(model, request)


def _named(yaw: float) -> str:
    return f"-yaw{yaw:+.2f}"


def run_render(config: Config, wanted: RenderJob) -> None:
    """Write a picture of each head from each side into a folder, and their record."""
    record, inputs = placed(wanted.out, "render.json"), {"generator": wanted.generator}
    _checked(wanted)
    config = config.told("samples", wanted, "truncation", "resolution")
    seeds = seeds_of(wanted.seeds)
    own = config.scoped(config.only("samples"))
    with job(record, "render", own, inputs, Writes(fills=True)) as running:
        model = generators.load(wanted.generator, machine.device())
        size = config.samples.size(model.resolution)
        for name, seen in _views(model, wanted, seeds, size):
            for end, picture in pictures(seen, wanted).items():
                write_png(record.parent / f"{name}{end}.png", picture)
        running.numbers = {
            "heads": len(seeds),
            "resolution": size,
            "depth_of_white": DEPTH_OF_WHITE,
        }


def path_of(wanted: VideoJob, model: Pretrained) -> tuple[Tensor, Tensor]:
    """Latents [heads, frames, latent] and poses [frames, 2] of a video, which ends where it began.

    swing: from side to side on an ellipse; orbit: once around; seeds: one head becomes the next,
    the camera swinging; expressions: likewise, but nothing else of the first head changes.
    Raises InputError for expressions of a generator that knows none.
    """
    heads = model.heads(seeds_of(wanted.seeds))
    phase = torch.arange(wanted.frames) / wanted.frames
    turn = 2 * math.pi * phase
    poses = wanted.yaw * torch.stack([turn.sin(), NOD * turn.cos()], -1)
    if wanted.path == "orbit":
        poses = torch.stack([turn, torch.zeros_like(turn)], -1)
    if wanted.path in ("swing", "orbit"):
        return heads[:, None].expand(-1, wanted.frames, -1), poses
    at = phase * len(heads)
    one, share = at.long(), (at % 1)[:, None]
    blend = blended(heads[one], heads[(one + 1) % len(heads)], share)
    if wanted.path == "expressions":
        place = generators.layout_of(model, wanted.generator).place("expression")
        face = heads[:1].repeat(wanted.frames, 1)
        face[:, place] = blend[:, place]
        blend = face
    return blend[None], poses


def blended(one: Tensor, other: Tensor, share: Tensor) -> Tensor:
    """Latents [n, latent] between two, of which the second has a share [n, 1] from 0 to 1."""
    # Between two normal draws a straight line is shorter than both: keep their length.
    blend = one * (1 - share) + other * share
    return blend / (share**2 + (1 - share) ** 2).sqrt()


def run_video(config: Config, wanted: VideoJob) -> None:
    """Write a video of heads side by side, with their normals below them on demand."""
    suffix = wanted.out.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"--out: {wanted.out.name}: known endings are {', '.join(SUFFIXES)}")
    _checked(wanted)
    config = config.told("samples", wanted, "truncation", "resolution")
    if wanted.path in ("seeds", "expressions") and len(seeds_of(wanted.seeds)) < 2:
        raise InputError(f"--path {wanted.path}: at least two --seeds")
    own, writes = config.scoped(config.only("samples")), Writes(beside=(wanted.out,))
    inputs = {"generator": wanted.generator}
    with job(wanted.out.with_suffix(".json"), "video", own, inputs, writes) as running:
        model = generators.load(wanted.generator, machine.device())
        size = config.samples.size(model.resolution)
        latents, poses = path_of(wanted, model)
        frames = []
        for z, pose in zip(
            tqdm(latents.unbind(1), desc="frames", disable=None), poses, strict=True
        ):
            seen_from = pose.expand(len(z), 2)
            request = ViewRequest(z, seen_from, size, wanted.truncation, normals=wanted.normals)
            seen = render_views(model, request)
            rows = [seen.rgb]
            if wanted.normals:
                rows.append(seen.normal_picture())
            frames.append(sheet(rows))
        atomic_write(wanted.out, encoded(frames, suffix, MILLISECONDS))
        running.numbers = {"frames": wanted.frames, "heads": len(latents), "resolution": size}
        running.artifact(wanted.out)


def _checked(wanted: RenderJob | VideoJob) -> None:
    """Raise InputError for numbers that mean nothing."""
    angles = (*wanted.yaw, wanted.pitch) if isinstance(wanted, RenderJob) else (wanted.yaw,)
    if not all(map(math.isfinite, angles)):
        raise InputError("--yaw, --pitch: radians, got what is no number")
    if isinstance(wanted, RenderJob) and len({*map(_named, wanted.yaw)}) < len(wanted.yaw):
        raise InputError("--yaw: two are so near that their pictures would have one name")
    if isinstance(wanted, VideoJob) and wanted.frames < 2:
        raise InputError(f"--frames: at least 2, got {wanted.frames}")
    if isinstance(wanted, VideoJob) and wanted.resolution and wanted.resolution % 2:
        raise InputError(f"--resolution: even for a video, got {wanted.resolution}")
