"""`gof edit`: one factor of a conditional generator's head is swept, the others stand still."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from gof.experiment.config import Config
from gof.models import pretrained as generators
from gof.models.pretrained import Pretrained
from gof.morphable.coefficients import Layout
from gof.morphable.directions import FACTORS, direction, moved
from gof.morphable.meshes import Meshes
from gof.pictures.jobs import EditJob
from gof.pictures.video import MILLISECONDS, encoded
from gof.pictures.video import SUFFIXES as VIDEOS
from gof.pictures.views import ViewRequest, render_views, sheet
from gof.run import machine
from gof.run.files import InputError, atomic_write, write_png
from gof.run.job import job
from gof.run.outputs import Writes

POSE = ("yaw", "pitch")
SUFFIXES = (".png", *VIDEOS)


@dataclass(frozen=True, slots=True)
class Edit:
    """What changes: factor (see `gof.morphable.directions`, or pose), its component, from low to
    high (standard deviations; radians for a pose) in so many frames, on the head of a seed."""

    factor: str
    component: str | None
    ends: tuple[float, float] | None
    frames: int
    seed: int
    truncation: float = 1.0


def meshes_of(model: Pretrained, layout: Layout, files: tuple[Path, Path]) -> Meshes:
    """The meshes a generator is asked for, before its own camera and background. files: head model
    and statistics. Raises InputError for files that do not fit."""
    red, green, blue = ((value + 1) / 2 for value in model.settings.background)
    return Meshes.read(files, layout, model.camera, (red, green, blue))


def swept(model: Pretrained, edit: Edit, meshes: Meshes | None) -> tuple[Tensor, Tensor]:
    """Latents [frames, total] and poses [frames, 2], radians, of a sweep. Raises InputError for a
    factor or component that does not exist."""
    latents = model.heads([edit.seed]).expand(edit.frames, -1)
    poses = torch.zeros(edit.frames, 2)
    low, high = edit.ends or ((-0.5, 0.5) if edit.factor == "pose" else (-2.0, 2.0))
    values = torch.linspace(low, high, edit.frames)
    if edit.factor == "pose":
        component = edit.component or "yaw"
        if component not in POSE:
            raise InputError(f"--component: a pose has {' and '.join(POSE)}, no {component!r}")
        poses[:, POSE.index(component)] = values
        return latents, poses
    layout = model.layout
    if layout is None:
        raise InputError(f"--factor: {edit.factor} of a generator that no coefficients condition")
    along = direction(layout, edit.factor, edit.component or "0", meshes)
    return moved(latents, along, values), poses


def rows_of_pictures(
    model: Pretrained, edit: Edit, meshes: Meshes | None, resolution: int
) -> list[Tensor]:
    """Images [frames, 3, r, r] in [-1, 1]: the mesh where there are meshes, colours, normals."""
    latents, poses = swept(model, edit, meshes)
    label = f"{edit.factor} of seed {edit.seed}"
    request = ViewRequest(latents, poses, resolution, edit.truncation, label, normals=True)
    seen = render_views(model, request)
    rows = [seen.rgb, seen.normal_picture()]
    if meshes is not None:
        rows.insert(0, meshes.pictures(edit.truncation * latents, poses, resolution))
    return rows


def run_edit(config: Config, wanted: EditJob) -> None:
    """Write a sheet (.png: frames side by side) or a video (there and back), and its
    record beside it (.json). Raises InputError for what cannot be edited."""
    edit, out, inputs = _edit(wanted), wanted.out, {"generator": wanted.generator}
    pair = None
    if wanted.head_model is not None and wanted.statistics is not None:
        pair = wanted.head_model, wanted.statistics
        inputs |= {"head_model": wanted.head_model, "statistics": wanted.statistics}
    own, writes = config.scoped(config.only("samples")), Writes(beside=(out,))
    with job(out.with_suffix(".json"), "edit", own, inputs, writes) as running:
        model = generators.load(wanted.generator, machine.device())
        layout = generators.layout_of(model, wanted.generator)
        meshes = meshes_of(model, layout, pair) if pair else None
        rows = rows_of_pictures(model, edit, meshes, config.samples.size(model.resolution))
        if out.suffix.lower() == ".png":
            write_png(out, sheet(rows))
        else:
            atomic_write(out, _video(rows, out.suffix.lower()))
        running.numbers = {"frames": edit.frames, "seed": edit.seed}
        running.artifact(out)


def _edit(wanted: EditJob) -> Edit:
    """What changes. Raises InputError for a job that contradicts itself."""
    suffix = wanted.out.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"--out: {wanted.out.name}: known endings are {', '.join(SUFFIXES)}")
    if wanted.factor not in (*FACTORS, "pose"):
        raise InputError(f"--factor: {wanted.factor!r} is none: pose, {', '.join(FACTORS)}")
    frames = (7 if suffix == ".png" else 24) if wanted.frames is None else wanted.frames
    if frames < 1:
        raise InputError(f"--frames: at least 1, got {frames}")
    if (wanted.head_model is None) != (wanted.statistics is None):
        raise InputError("--head-model, --statistics: both are needed, or neither")
    ends, seed = wanted.range, wanted.seed
    return Edit(wanted.factor, wanted.component, ends, frames, seed, wanted.truncation)


def _video(rows: list[Tensor], suffix: str) -> bytes:
    columns = [torch.cat(list(frame), -1) for frame in zip(*rows, strict=True)]
    frames = [sheet([column[None]]) for column in columns]
    both_ways = frames + frames[-2:0:-1]
    return encoded(both_ways, suffix, MILLISECONDS)
