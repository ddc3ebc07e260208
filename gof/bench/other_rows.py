"""Rows of `gof bench` about meshes, the data set and whole runs."""

from __future__ import annotations

import tempfile
from pathlib import Path

from gof.bench.measure import Row, beside, least_row, logit_operations, median
from gof.bench.place import LARGE, SIDE, Place
from gof.data.source import Making
from gof.geometry.raster import rasterise
from gof.heads.render import random_heads, render_data_set
from gof.morphable.model import MorphableModel
from gof.report.readme import complete_run
from gof.run.files import InputError
from gof.shapes.marching import Surface, extract
from gof.shapes.sparse_grid import Grid

HEADS = 1000
SMOKE = "workflow/configs/smoke.yaml"


def mesh_256(place: Place) -> list[Row]:
    """A mesh from 256^3 points, 8 layers of 256. Ceiling: as many points as the mesh has vertices;
    each lies on an edge between two points, most points end two such edges."""
    return [_mesh(place.cpu, 256, 4.0)]


def mesh_512(place: Place) -> list[Row]:
    """A mesh from 512^3 points. Ceiling: likewise."""
    return [_mesh(place.cpu, 512, 16.0)]


def _mesh(place: Place, n: int, target: float) -> Row:
    field, found = place.field(LARGE), list[Surface | None]()

    def work() -> None:
        found[:] = [extract(field, Grid(n, SIDE), 0.0)]

    timing = beside(place.products(LARGE).rate, work)
    assert found[0] is not None
    operations = len(found[0].vertices) * logit_operations(LARGE)
    return least_row(f"mesh-{n}", timing.seconds, "s", operations / timing.gauge, target)


def data(place: Place) -> list[Row]:
    """1,000 renders of heads at 64 px with depth and normals, from the start of the job to its
    manifest; other processes do most of it. No ceiling: hardly anything is a matrix product."""
    changes = {"train": HEADS - 2, "validation": 1, "test": 1, "resolutions": (64,)}
    heads = place.heads.model_copy(update=changes)
    tracking = place.config.tracking.model_copy(update={"enabled": False})
    config = place.config.model_copy(update={"tracking": tracking})
    inputs = {"head_model": place.head_model}

    def work() -> None:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "manifest.json"
            render_data_set(Making("heads", heads, out, inputs, config))

    return [least_row("data", median(work), "s", None, 10.0)]


def raster(place: Place) -> list[Row]:
    """Depth and mask of 16 head meshes at 64 px. No ceiling: likewise."""
    model, fov = MorphableModel.load(place.head_model), place.config.camera.fov_deg
    drawn = random_heads(model, place.heads, "train", range(16))
    vertices = model.vertices(drawn.identity, drawn.expression)
    seconds = median(lambda: rasterise(vertices, model.triangles, drawn.pose, 64, fov).mask)
    return [least_row("raster", 1000 * seconds, "ms", None, 50.0)]


def default_run(place: Place) -> list[Row]:
    """`snakemake --cores all` with all three models, as its own log has it."""
    return [_run("default-run", place.given.results, 20.0, "snakemake --cores all")]


def smoke_run(place: Place) -> list[Row]:
    """That of workflow/configs/smoke.yaml, likewise."""
    return [_run("smoke-run", place.smoke, 2.0, f"snakemake --cores all --configfile {SMOKE}")]


def _run(name: str, folder: Path, target: float, command: str) -> Row:
    if not (folder / "runs.jsonl").exists():
        raise InputError(f"{folder}/runs.jsonl: no finished run: `{command}` makes one")
    return least_row(name, float(complete_run(folder)["wall_s"]) / 60, "min", None, target)
