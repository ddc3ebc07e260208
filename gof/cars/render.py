"""The data set `cars`: cars in random paint under random light, from all around and above, with
true depth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from math import pi
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gof.cars.models import CarModel, attribution, both_sides, load_models, read_models, save_models
from gof.cars.settings import OFFERED, RenderedCars
from gof.data.download import resolve
from gof.data.manifest import Manifest, encode_depth, write_manifest
from gof.data.settings import SPLITS
from gof.data.shards import Shard, write_shard
from gof.data.sheet import write_sheet
from gof.data.source import Making
from gof.data.unfinished import Unfinished
from gof.data.workers import Piece, by_split, in_blocks, pieces, render_all
from gof.geometry.cameras import camera_rays, sample_poses
from gof.geometry.images import shrink
from gof.geometry.lighting import random_light, shade
from gof.geometry.raster import interpolate, rasterise
from gof.geometry.shading import OVERSAMPLING, to_srgb
from gof.run.files import atomic_write
from gof.run.job import job
from gof.run.outputs import Writes
from gof.run.provenance import code_hash
from gof.run.rng import streams

SHEET = 40  # images on the sheet
STRETCH = 0.08  # half-width of the random stretch of each axis
SMALLEST = 0.9  # scale
GREYS = 0.4  # share of cars in white, grey and black
ALL_AROUND = pi  # half-width of the lamp's azimuth: no side of a car is the front one's


@dataclass(frozen=True, slots=True)
class CarBatch:
    """Draws of a batch: which [b], stretch [b, 3], paint [b, 3] (linear), light [b, 9, 3], pose
    [b, 2]."""

    which: Tensor
    stretch: Tensor
    paint: Tensor
    light: Tensor
    pose: Tensor


def random_cars(settings: RenderedCars, count: int, split: str, indices: Iterable[int]) -> CarBatch:
    """Cars number `indices` of a split, of `count` models. Every number of every split has its own
    stream."""
    own = streams(settings.seed, f"cars/{split}", list(indices))
    draw = own.uniform(9)
    scale = SMALLEST + (1 - SMALLEST) * draw[:, 1:2]
    stretch = 1 + STRETCH * (draw[:, 2:5] * 2 - 1)
    return CarBatch(
        (draw[:, 0] * count).long().clamp(max=count - 1),
        stretch / stretch.amax(-1, keepdim=True) * scale,
        _paint(draw[:, 5:9]),
        random_light(own, ALL_AROUND),
        sample_poses(settings.camera, own),
    )


def _paint(draw: Tensor) -> Tensor:
    """Linear colours [b, 3] of draws [b, 4] from [0, 1): of any hue, or grey."""
    wheel = (draw[:, :1] * 6 + torch.tensor([0.0, 4.0, 2.0])).remainder(6)
    hue = ((wheel - 3).abs() - 1).clamp(0, 1)
    depth = 0.55 + 0.4 * draw[:, 1:2]
    value = 0.12 + 0.6 * draw[:, 2:3]
    grey = (0.02 + 0.8 * draw[:, 1:2].square()).expand(-1, 3)
    return torch.where(draw[:, 3:4] < GREYS, grey, value * (1 - depth * (1 - hue)))


def render_cars(
    models: Sequence[CarModel], cars: CarBatch, settings: RenderedCars
) -> dict[str, np.ndarray]:
    """Arrays of a shard for a batch: images, depth and normals at settings.resolutions, poses."""
    rows = [_render(models, cars, k, settings) for k in range(len(cars.which))]
    arrays = {name: torch.cat([row[name] for row in rows]) for name in rows[0]}
    arrays["pose"] = cars.pose
    return {name: value.numpy() for name, value in arrays.items()}


def _render(
    models: Sequence[CarModel], cars: CarBatch, k: int, settings: RenderedCars
) -> dict[str, Tensor]:
    model, pose, fov = models[int(cars.which[k])], cars.pose[k : k + 1], settings.camera.fov_deg
    triangles = both_sides(model.triangles)
    vertices = (model.vertices * cars.stretch[k])[None]
    leaning = torch.nn.functional.normalize(model.normals / cars.stretch[k], dim=-1)[None]
    albedo = torch.where(model.paint[:, None], cars.paint[k], model.colour)

    def seen(size: int) -> tuple[Tensor, Tensor, Tensor]:
        """What pixels see: triangle (-1 for none), depth, and the normal, turned to the camera."""
        raster = rasterise(vertices, triangles, pose, size, fov)
        normal = torch.nn.functional.normalize(interpolate(raster, leaning), dim=-1)
        rays = camera_rays(pose, size, fov).directions.view(1, size, size, 3)
        away = (normal * rays).sum(-1, keepdim=True) > 0
        return raster.triangle_id, raster.depth, torch.where(away, -normal, normal)

    fine = OVERSAMPLING * max(settings.resolutions)
    triangle, _, normal = seen(fine)
    lit = shade(normal.view(1, -1, 3), cars.light[k : k + 1]).view(1, fine, fine, 3)
    linear = albedo[triangle.clamp(min=0) % len(albedo)] * lit
    paper = torch.tensor(settings.background)
    drawn = torch.where((triangle >= 0)[..., None], to_srgb(linear), paper)
    arrays = {}
    for size in settings.resolutions:
        arrays[f"image_{size}"] = (shrink(drawn, size) * 255).round().byte()
        _, depth, facing = seen(size)
        arrays[f"depth_{size}"] = encode_depth(depth, settings.camera)
        arrays[f"normal_{size}"] = (facing * 127).round().to(torch.int8)
    return arrays


@dataclass(frozen=True, slots=True)
class _Task:
    """A shard to render: everything a worker process needs."""

    models: Path
    settings: RenderedCars
    piece: Piece


@cache
def _models(path: Path) -> list[CarModel]:
    return load_models(path)


def _render_shard(task: _Task) -> Shard:
    models, settings, split = _models(task.models), task.settings, task.piece.split

    def render(numbers: range) -> dict[str, np.ndarray]:
        return render_cars(models, random_cars(settings, len(models), split, numbers), settings)

    return write_shard(task.piece.path, in_blocks(task.piece, render))


def render_data_set(making: Making) -> None:
    """Render the data set into the folder of `making.out`, its manifest, which is written last.
    Raises InputError where the models are missing or damaged."""
    settings, out, asset = making.settings, making.out, making.assets["cars"]
    record, sheet = out.with_name("data.json"), out.with_name("sheet.png")
    kept, credit = out.with_name("cars.npz"), out.with_name("attribution.md")
    writes = Writes((out, sheet, kept, credit), fills=True)
    with job(record, "dataset", making.config, {"cars": asset}, writes) as running:
        models = read_models(resolve(asset))
        save_models(kept, models)
        counts = {split: getattr(settings, split) for split in SPLITS}
        planned = pieces(counts, settings.shard_size, out.parent)
        tasks = [_Task(kept, settings, piece) for piece in planned]
        own = (making.name, settings.model_dump(mode="json"), code_hash(__name__))
        unfinished = Unfinished(record, running.identity, *own)
        splits = by_split(planned, render_all(_render_shard, tasks, unfinished))
        manifest = Manifest.of(out, making.name, settings, splits, OFFERED)
        manifest.provenance.update(seed=settings.seed, licence="CC BY 3.0: see attribution.md")
        write_sheet(manifest, sheet, ("image", "depth", "normal"), SHEET)
        running.artifact(sheet)
        atomic_write(credit, attribution())
        write_manifest(manifest)
        unfinished.finish()
        triangles = sum(len(model.triangles) for model in models)
        seen = {name: split.count for name, split in splits.items()}
        running.numbers = {**seen, "models": len(models), "triangles": triangles}
