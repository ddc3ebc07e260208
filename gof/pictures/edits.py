"""`gof edit`: one factor of a conditional generator's head is swept, or some are taken from
photographs' faces; the others stand still."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from gof.experiment.config import Config
from gof.fitting.fit_record import Faces, read_faces
from gof.models import packaged
from gof.models import pretrained as generators
from gof.models.pretrained import Pretrained
from gof.morphable.coefficients import Layout, Statistics
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


def swept(model: Pretrained, edit: Edit, known: Statistics | None) -> tuple[Tensor, Tensor]:
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
    along = direction(layout, edit.factor, edit.component or "0", known)
    return moved(latents, along, values), poses


def driven(
    model: Pretrained, seed: int, factors: Sequence[str], faces: Faces, meshes: Meshes
) -> tuple[Tensor, Tensor]:
    """Latents [n, total] and poses [n, 2] of the head of a seed that takes these factors of n
    faces, and keeps its own of the others."""
    coefficients, poses = faces
    layout, count = meshes.layout, len(coefficients)
    theirs = layout.latent(meshes.statistics.whiten(coefficients), torch.zeros(count, layout.free))
    latents = model.heads([seed]).repeat(count, 1)
    for factor in set(factors) - {"pose"}:
        place = layout.place(FACTORS[factor])
        latents[:, place] = theirs[:, place]
    return latents, poses if "pose" in factors else torch.zeros_like(poses)


def _rows(
    model: Pretrained, heads: tuple[Tensor, Tensor], edit: Edit, meshes: Meshes | None, size: int
) -> list[Tensor]:
    """Images [frames, 3, size, size] in [-1, 1] of latents and poses: the mesh where there are
    meshes, colours, normals."""
    latents, poses = heads
    label = f"{edit.factor} of seed {edit.seed}"
    request = ViewRequest(latents, poses, size, edit.truncation, label, normals=True)
    seen = render_views(model, request)
    rows = [seen.rgb, seen.normal_picture()]
    if meshes is not None:
        rows.insert(0, meshes.pictures(edit.truncation * latents, poses, size))
    return rows


def run_edit(config: Config, wanted: EditJob) -> None:
    """Write a sheet (.png: frames side by side) or a video (a sweep there and back, or the faces in
    their order), and its record beside it (.json). Raises InputError for what cannot be edited."""
    edit, out, inputs = _edit(wanted), wanted.out, {"generator": wanted.generator}
    config = config.told("samples", wanted, "truncation", "resolution")
    head, statistics = _files(wanted)
    inputs |= {"head_model": head} if head else {}
    inputs |= {"statistics": statistics} if statistics else {}
    inputs |= {f"like_{number}": path for number, path in enumerate(wanted.like)}
    own, writes = config.scoped(config.only("samples")), Writes(beside=(out,))
    with job(out.with_suffix(".json"), "edit", own, inputs, writes) as running:
        model = generators.load(wanted.generator, machine.device())
        known, meshes = _meaning(model, wanted, head, statistics)
        if wanted.like and meshes is not None and head:
            faces = read_faces(wanted.like, head)
            heads = driven(model, edit.seed, wanted.factor, faces, meshes)
        else:
            heads = swept(model, edit, known)
        rows = _rows(model, heads, edit, meshes, config.samples.size(model.resolution))
        if out.suffix.lower() == ".png":
            write_png(out, sheet(rows))
        else:
            film = _video(rows, out.suffix.lower(), there_and_back=not wanted.like)
            atomic_write(out, film)
        running.numbers = {"frames": len(heads[0]), "seed": edit.seed}
        running.artifact(out)


def _edit(wanted: EditJob) -> Edit:
    """What changes. Raises InputError for a job that contradicts itself."""
    suffix = wanted.out.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"--out: {wanted.out.name}: known endings are {', '.join(SUFFIXES)}")
    for factor in wanted.factor:
        if factor not in (*FACTORS, "pose"):
            raise InputError(f"--factor: {factor!r} is none: pose, {', '.join(FACTORS)}")
    frames = (7 if suffix == ".png" else 24) if wanted.frames is None else wanted.frames
    if frames < 1:
        raise InputError(f"--frames: at least 1, got {frames}")
    if wanted.like:
        _check_likeness(wanted)
    elif len(wanted.factor) > 1:
        raise InputError("--factor: one at a time is swept; several need --like")
    ends, seed, factor = wanted.range, wanted.seed, " and ".join(wanted.factor)
    return Edit(factor, wanted.component, ends, frames, seed, wanted.truncation)


def _files(wanted: EditJob) -> tuple[Path | None, Path | None]:
    """Head model and statistics, the latter packaged where none are named."""
    head, statistics = wanted.head_model, wanted.statistics
    statistics = statistics or packaged.statistics(wanted.generator)
    if head is not None and statistics is None:
        raise InputError("--head-model: needs the --statistics of its coefficients, too")
    return head, statistics


def _meaning(
    model: Pretrained, wanted: EditJob, head: Path | None, statistics: Path | None
) -> tuple[Statistics | None, Meshes | None]:
    """What coefficients mean, and the meshes they ask for, as far as there are files that tell."""
    if statistics is None:
        return None, None
    layout = generators.layout_of(model, wanted.generator)
    if head is not None:
        meshes = meshes_of(model, layout, (head, statistics))
        return meshes.statistics, meshes
    known = Statistics.load(statistics)
    known.check(layout, statistics)
    return known, None


def _check_likeness(wanted: EditJob) -> None:
    """Raise InputError where faces cannot say what the head takes of them."""
    if wanted.head_model is None:
        raise InputError("--like: needs the --head-model of the fits, and --statistics")
    if free := [factor for factor in wanted.factor if factor.startswith("free")]:
        raise InputError(f"--factor: a photograph tells no {free[0]}")
    if wanted.component or wanted.range or wanted.frames:
        raise InputError("--component, --range, --frames: belong to a sweep, not to --like")
    if len(wanted.like) < 2 and wanted.out.suffix.lower() != ".png":
        raise InputError("--like: one face makes no video: write a .png, or name several")


def _video(rows: list[Tensor], suffix: str, there_and_back: bool) -> bytes:
    columns = [torch.cat(list(frame), -1) for frame in zip(*rows, strict=True)]
    frames = [sheet([column[None]]) for column in columns]
    if there_and_back:
        frames += frames[-2:0:-1]
    return encoded(frames, suffix, MILLISECONDS)
