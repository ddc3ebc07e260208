"""The data set `heads`: random heads under random light, rendered from the head model with their
ground truth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gof.data.manifest import Manifest, encode_depth, write_manifest
from gof.data.settings import OFFERS, SPLITS
from gof.data.shards import Shard, write_shard
from gof.data.sheet import write_sheet
from gof.data.source import Making
from gof.data.unfinished import Unfinished
from gof.data.workers import Piece, by_split, in_blocks, pieces, render_all
from gof.geometry.cameras import project, sample_poses
from gof.geometry.lighting import random_light, shade
from gof.geometry.meshes import vertex_normals
from gof.geometry.raster import interpolate, rasterise
from gof.geometry.shading import View, pictures
from gof.heads.settings import RenderedHeads
from gof.morphable.expressions import random_expressions
from gof.morphable.model import MorphableModel
from gof.run.files import sha256
from gof.run.job import job
from gof.run.outputs import Writes
from gof.run.provenance import code_hash
from gof.run.rng import streams

SHEET = 40  # images on the sheet
LARGEST = 2.2  # coefficients beyond it are drawn in: rarer heads would be caricatures


@dataclass(frozen=True, slots=True)
class HeadBatch:
    """Coefficients of a batch: identity [b, i], expression [b, e], albedo [b, k], light [b, 9, 3],
    pose [b, 2]."""

    identity: Tensor
    expression: Tensor
    albedo: Tensor
    light: Tensor
    pose: Tensor


def random_heads(
    model: MorphableModel, settings: RenderedHeads, split: str, indices: Iterable[int]
) -> HeadBatch:
    """Heads number `indices` of a split. Every number of every split has its own stream, so no two
    share an identity."""
    own = streams(settings.seed, f"heads/{split}", list(indices))
    return HeadBatch(
        own.normal(len(model.identity)).clamp(-LARGEST, LARGEST),
        random_expressions(model.expression_names, own),
        own.normal(model.palette.size).clamp(-LARGEST, LARGEST),
        random_light(own),
        sample_poses(settings.camera, own),
    )


def render_heads(
    model: MorphableModel, heads: HeadBatch, settings: RenderedHeads
) -> dict[str, np.ndarray]:
    """Arrays of a shard for a batch: images, depth, normals and landmarks at
    settings.resolutions, and the coefficients."""
    vertices = model.vertices(heads.identity, heads.expression)
    normals = vertex_normals(vertices, model.triangles)
    linear = model.colours(heads.albedo) * shade(normals, heads.light)
    fov, sizes = settings.camera.fov_deg, settings.resolutions
    view = View(heads.pose, fov, settings.background)
    arrays: dict[str, Tensor] = {}
    for size, image in pictures(vertices, model.triangles, linear, view, sizes).items():
        arrays[f"image_{size}"] = image
        raster = rasterise(vertices, model.triangles, heads.pose, size, fov)
        arrays[f"depth_{size}"] = encode_depth(raster.depth, settings.camera)
        normal = torch.nn.functional.normalize(interpolate(raster, normals), dim=-1)
        arrays[f"normal_{size}"] = (normal * 127).round().to(torch.int8)
    marks = vertices[:, model.landmarks]
    arrays |= {
        "landmarks": project(marks, heads.pose, fov)[0],
        "landmarks_3d": marks,
        "pose": heads.pose,
        "identity": heads.identity,
        "expression": heads.expression,
        "albedo": heads.albedo,
        "light": heads.light,
    }
    return {name: value.numpy() for name, value in arrays.items()}


@dataclass(frozen=True, slots=True)
class _Task:
    """A shard to render: everything a worker process needs."""

    head_model: Path
    settings: RenderedHeads
    piece: Piece


def _render_shard(task: _Task) -> Shard:
    model, settings, split = MorphableModel.load(task.head_model), task.settings, task.piece.split

    def render(numbers: range) -> dict[str, np.ndarray]:
        return render_heads(model, random_heads(model, settings, split, numbers), settings)

    return write_shard(task.piece.path, in_blocks(task.piece, render))


def render_data_set(making: Making) -> None:
    """Render the data set into the folder of `making.out`, its manifest, which is written last.
    Raises InputError where the head model is missing or damaged."""
    settings, out, head_model = making.settings, making.out, making.inputs["head_model"]
    record, sheet = out.with_name("data.json"), out.with_name("sheet.png")
    writes = Writes((out, sheet), fills=True)
    with job(record, "dataset", making.config, {"head_model": head_model}, writes) as running:
        MorphableModel.load(head_model)
        counts = {split: getattr(settings, split) for split in SPLITS}
        planned = pieces(counts, settings.shard_size, out.parent)
        tasks = [_Task(head_model, settings, piece) for piece in planned]
        own = (making.name, settings.model_dump(mode="json"), code_hash(__name__))
        unfinished = Unfinished(record, running.identity, *own)
        splits = by_split(planned, render_all(_render_shard, tasks, unfinished))
        manifest = Manifest.of(out, making.name, settings, splits, OFFERS)
        manifest.provenance.update(head_model=sha256(head_model), seed=settings.seed)
        write_sheet(manifest, sheet, ("image", "depth", "normal"), SHEET)
        running.artifact(sheet)
        write_manifest(manifest)
        unfinished.finish()
        running.numbers = {name: split.count for name, split in splits.items()}
