"""The pool of conditions: heads drawn from the statistics of the data set's coefficients, rendered
before training so that no mesh is rasterised in its loop.

A data set (`gof.data.manifest`) of two splits, train and test. A shard holds, for n heads:
image_{r}, depth_{r} (uint16), pose, landmarks and landmarks_3d as there, and

- z float32 [n, d]: the whitened coefficients of head a, the one of all these arrays (blocks in the
  order of `gof.morphable.coefficients.BLOCKS`);
- z_b float32 [n, d]: head b, the same with another expression, seen from the same camera;
- depth_b_{r} uint16 [n, r, r]: its depth, coded like depth_{r};
- flow_{r} float16 [n, r, r, 3]: what must be added to the point of head b that a pixel sees to get
  the same point of the skin on head a, world, camera radii; 0 beside head b (method-cgof 3.9).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from gof.conditioning.jobs import PoolJob
from gof.data.manifest import Manifest, encode_depth, load_manifest, write_manifest
from gof.data.reader import Reader
from gof.data.settings import OFFERS
from gof.data.shards import Shard, write_shard
from gof.data.sheet import write_sheet
from gof.data.unfinished import Unfinished
from gof.data.workers import Piece, by_split, in_blocks, pieces, render_all
from gof.experiment.config import Config
from gof.geometry.cameras import project, sample_poses
from gof.geometry.raster import interpolate, rasterise
from gof.geometry.settings import Camera
from gof.geometry.shading import View, pictures
from gof.morphable.coefficients import BLOCKS, Statistics
from gof.morphable.landmarks import FIRST_INNER
from gof.morphable.meshes import load_pair, vertex_radiance
from gof.morphable.model import MorphableModel
from gof.run.files import InputError, say, sha256
from gof.run.job import job
from gof.run.outputs import Writes
from gof.run.provenance import code_hash
from gof.run.rng import streams
from gof.run.target import placed

SHEET = 20  # heads on the sheet


@dataclass(frozen=True, slots=True)
class Draw:
    """Conditions: whitened coefficients z and z_b [n, d], poses [n, 2]."""

    z: Tensor
    z_b: Tensor
    pose: Tensor


@dataclass(frozen=True, slots=True)
class Scene:
    """What heads are rendered in: camera and background of the data set, sizes and seed of the
    pool."""

    camera: Camera
    background: tuple[float, float, float]
    resolutions: tuple[int, ...]
    seed: int


def draw_conditions(
    statistics: Statistics, scene: Scene, split: str, numbers: Sequence[int]
) -> Draw:
    """Conditions number `numbers` of a split, each from its own stream: z ~ N(0, I), a second
    expression, a pose from the camera's law."""
    own = streams(scene.seed, f"pool/{split}", numbers)
    sizes = statistics.sizes
    z = own.normal(sum(sizes.values()))
    start = sum(sizes[name] for name in BLOCKS[: BLOCKS.index("expression")])
    z_b = z.clone()
    z_b[:, start : start + sizes["expression"]] = own.normal(sizes["expression"])
    return Draw(z, z_b, sample_poses(scene.camera, own))


def render(
    model: MorphableModel, statistics: Statistics, drawn: Draw, scene: Scene
) -> dict[str, np.ndarray]:
    """Arrays of a shard for a batch of conditions."""
    head, other = statistics.unwhiten(drawn.z), statistics.unwhiten(drawn.z_b)
    vertices = model.vertices(head.identity, head.expression)
    vertices_b = model.vertices(other.identity, other.expression)
    camera, sizes, triangles = scene.camera, scene.resolutions, model.triangles
    view = View(drawn.pose, camera.fov_deg, scene.background)
    images = pictures(vertices, triangles, vertex_radiance(model, vertices, head), view, sizes)
    arrays: dict[str, Tensor] = {}
    for size, image in images.items():
        raster = rasterise(vertices, triangles, drawn.pose, size, camera.fov_deg)
        raster_b = rasterise(vertices_b, triangles, drawn.pose, size, camera.fov_deg)
        arrays[f"image_{size}"] = image
        arrays[f"depth_{size}"] = encode_depth(raster.depth, camera)
        arrays[f"depth_b_{size}"] = encode_depth(raster_b.depth, camera)
        arrays[f"flow_{size}"] = interpolate(raster_b, vertices - vertices_b).half()
    marks = vertices[:, model.landmarks]
    arrays |= {
        "landmarks": project(marks, drawn.pose, camera.fov_deg)[0],
        "landmarks_3d": marks,
        "pose": drawn.pose,
        "z": drawn.z,
        "z_b": drawn.z_b,
    }
    return {name: value.numpy() for name, value in arrays.items()}


@dataclass(frozen=True, slots=True)
class _Task:
    """A shard to render: everything a worker process needs."""

    head_model: Path
    statistics: Path
    scene: Scene
    piece: Piece


def _render_shard(task: _Task) -> Shard:
    model, statistics = load_pair(task.head_model, task.statistics)
    scene, split = task.scene, task.piece.split
    arrays = in_blocks(
        task.piece,
        lambda numbers: render(
            model, statistics, draw_conditions(statistics, scene, split, numbers), scene
        ),
    )
    return write_shard(task.piece.path, arrays)


def run_pool(config: Config, wanted: PoolJob) -> None:
    """Render the pool into the folder of its manifest, which is written last.

    Raises InputError where the statistics do not fit the head model or no head is in view.
    """
    statistics, head_model = wanted.statistics, wanted.head_model
    out = placed(wanted.out, "manifest.json")
    inputs = {"data": wanted.data, "statistics": statistics, "head_model": head_model}
    record, sheet = out.with_name("pool.json"), out.with_name("sheet.png")
    with job(record, "pool", config, inputs, Writes((out, sheet), fills=True)) as running:
        load_pair(head_model, statistics)
        pool, data = config.faces.pool, load_manifest(wanted.data)
        scene = Scene(data.camera, data.background, tuple(pool.resolutions), pool.seed)
        planned = pieces({"train": pool.count, "test": pool.test}, pool.shard_size, out.parent)
        tasks = [_Task(head_model, statistics, scene, piece) for piece in planned]
        unfinished = Unfinished(record, running.identity, code_hash(__name__))
        splits = by_split(planned, render_all(_render_shard, tasks, unfinished))
        manifest = Manifest(
            out,
            data.name,
            scene.camera,
            scene.background,
            scene.resolutions,
            splits,
            {"head_model": sha256(head_model), "statistics": sha256(statistics), "seed": pool.seed},
            OFFERS,
        )
        running.numbers = {name: split.count for name, split in splits.items()}
        running.numbers |= _check(manifest)
        write_sheet(manifest, sheet, ("image", "depth", "depth_b", "flow"), SHEET)
        running.artifact(sheet)
        write_manifest(manifest)
        unfinished.finish()


def _check(manifest: Manifest) -> dict[str, float]:
    """What to know about the pool: heads whose face leaves the image, and how far expressions move
    the skin (root mean square over the pixels that see it)."""
    size = max(manifest.resolutions)
    reader, in_view = Reader(manifest, "train"), False
    outside, squares, seen = 0, 0.0, 0
    for numbers in reader.blocks():
        arrays = reader.read(["landmarks", f"depth_{size}", f"flow_{size}"], numbers)
        in_view |= bool(arrays[f"depth_{size}"].any())
        marks = arrays["landmarks"][:, FIRST_INNER:]
        outside += int((abs(marks) > 1).any((1, 2)).sum())
        flow = np.linalg.norm(arrays[f"flow_{size}"].astype(np.float32), axis=-1)
        squares += float((flow.astype(np.float64) ** 2).sum())
        seen += int((flow > 0).sum())
    if not in_view:
        raise InputError(
            f"{manifest.path}: no head is in view: check camera.fov_deg and the units of the model"
        )
    if outside:
        say(f"pool: {outside} of {len(reader)} faces reach beyond the image")
    moved = float(np.sqrt(squares / seen)) if seen else 0.0
    return {"faces_beyond_image": outside, "displacement": moved}
