import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from torch import Tensor

from gof.experiment.config import Config
from gof.experiment.model import Model
from gof.fields.analytic import Ellipsoid, sphere
from gof.fields.field import Field
from gof.geometry.settings import Camera
from gof.models import pretrained as generators
from gof.models.generator import Generator
from gof.run.files import InputError
from gof.shapes import marching
from gof.shapes.jobs import MeshJob
from gof.shapes.marching import extract, paint, run_meshes, triangles
from gof.shapes.sparse_grid import Grid, crossed_cells
from gof.training.settings import Stage
from tests.unit.geometry.test_glb import glb_colours
from tests.unit.hard_fields import Bent, Hollow, Union, bumpy, dense
from tests.unit.small_networks import networks

GRID = Grid(64, 0.3)


def mesh_of(field: Field, grid: Grid = GRID) -> trimesh.Trimesh:
    surface = extract(field, grid, 0.0)
    assert surface is not None
    return trimesh.Trimesh(surface.vertices, surface.faces, process=False)


def corners_of(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """The triangles as points [f, 9], each from its least vertex on, in order."""
    order = np.lexsort(vertices.round(6).T)
    rank = np.argsort(order)[faces.astype(np.int64)]
    turned = (rank.argmin(1)[:, None] + np.arange(3)) % 3
    rank = np.take_along_axis(rank, turned, 1)
    return vertices[order][rank[np.lexsort(rank.T)]].reshape(-1, 9)


@pytest.mark.parametrize("field", [Bent(), Hollow(), bumpy(0), sphere(0.4)])
@torch.no_grad()
def test_the_triangles_are_those_of_the_dense_grid(field: Field) -> None:
    mcubes = pytest.importorskip("mcubes", reason="no PyMCubes for this Python")
    cells = crossed_cells(field, GRID, 0.0)
    found = triangles(cells)
    padded = np.pad(dense(field, GRID), 1, constant_values=np.nanmin(cells.values))
    vertices, faces = mcubes.marching_cubes(padded, 0.0)
    assert len(found[0]) == len(vertices) and len(found[1]) == len(faces)
    np.testing.assert_allclose(corners_of(*found), corners_of(vertices - 1, faces), atol=1e-5)


def test_values_of_zero_leave_no_holes() -> None:
    class Box:
        def logits(self, points: Tensor) -> Tensor:
            return 0.5 - points.abs().amax(-1)

        def radiance(self, points: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
            return directions, self.logits(points)

    mesh = mesh_of(Box(), Grid(65, 2.0))  # its sides lie on points
    assert mesh.is_watertight and mesh.euler_number == 2
    assert mesh.volume == pytest.approx(1.0, rel=1e-6)


@pytest.mark.parametrize("sharpness", [60.0, 1000.0])
def test_a_sphere_is_closed_round_and_faces_outward(sharpness: float) -> None:
    mesh = mesh_of(sphere(0.1, sharpness))
    assert mesh.is_watertight and mesh.is_winding_consistent and mesh.euler_number == 2
    assert mesh.volume == pytest.approx(4 / 3 * np.pi * 1e-3, rel=3e-3)
    radius = np.linalg.norm(mesh.vertices, axis=1)
    assert np.abs(radius - 0.1).max() / GRID.spacing <= 0.01


def test_axes_keep_their_order_and_sign() -> None:
    mesh = mesh_of(Ellipsoid((0.09, 0.03, 0.05), (0.02, -0.04, 0.06)))
    np.testing.assert_allclose(mesh.bounds.mean(0), (0.02, -0.04, 0.06), atol=1e-3)
    np.testing.assert_allclose(mesh.extents / 2, (0.09, 0.03, 0.05), atol=2e-3)


class Noise:
    """As good as random at the points of a grid, so that cells of every pattern occur."""

    def logits(self, points: Tensor) -> Tensor:
        waves = torch.sin(points @ points.new_tensor([1272.0, 7919.0, 3437.0]))
        return (43758.5 * waves) % 1 - 0.499


@torch.no_grad()
def test_without_pymcubes_the_same_cells_are_closed(monkeypatch) -> None:
    """Where cells are ambiguous the triangles differ; either way every edge has two."""
    cells = crossed_cells(Noise(), Grid(24, 0.3), 0.0)
    assert len(np.unique(cells.pattern)) == 254
    usual, had = triangles(cells)[1], importlib.util.find_spec("mcubes")
    monkeypatch.setitem(sys.modules, "mcubes", None)
    marching._table.cache_clear()
    try:
        ball, faces = mesh_of(sphere(0.1, 500.0)), triangles(cells)[1].astype(np.int64)
    finally:
        marching._table.cache_clear()
    assert ball.is_watertight and ball.volume == pytest.approx(4 / 3 * np.pi * 1e-3, rel=0.01)
    edges = np.concatenate([faces[:, pair] for pair in ([0, 1], [1, 2], [2, 0])])
    there, back = (np.sort(e[:, 0] * 2**31 + e[:, 1]) for e in (edges, edges[:, ::-1]))
    np.testing.assert_array_equal(there, back)
    if had:
        assert len(faces) != len(usual), "or it was not asked"


def test_a_level_moves_the_surface() -> None:
    surface = extract(sphere(0.1, 100.0), GRID, 1.0)
    assert surface is not None
    assert np.linalg.norm(surface.vertices, axis=1).mean() == pytest.approx(0.09, abs=1e-4)


def test_the_largest_part_is_kept_and_the_others_are_counted() -> None:
    small = Ellipsoid((0.02, 0.02, 0.02), (-0.11, 0.1, 0.1))
    smaller = Ellipsoid((0.012, 0.012, 0.012), (0.12, -0.1, 0.1))
    surface = extract(Union(small, sphere(0.07), smaller), GRID, 0.0)
    assert surface is not None
    assert surface.components == 3 and surface.dropped > 100
    assert np.linalg.norm(surface.vertices, axis=1).max() == pytest.approx(0.07, abs=1e-3)


def test_an_enclosed_hollow_is_a_part_that_is_dropped() -> None:
    surface = extract(Hollow(), GRID, 0.0)
    assert surface is not None and surface.components == 2
    assert np.linalg.norm(surface.vertices, axis=1).min() == pytest.approx(0.1, abs=1e-3)


def test_a_ring_has_the_euler_number_of_a_ring() -> None:
    mesh = mesh_of(Bent())
    assert mesh.is_watertight and mesh.euler_number == 0 and mesh.volume > 0


def test_what_reaches_the_border_is_closed_there() -> None:
    mesh = mesh_of(sphere(0.4), Grid(33, 0.3))
    assert mesh.is_watertight
    # The whole cube, closed within a tenth of a spacing outside it.
    assert mesh.volume == pytest.approx(0.3**3, rel=0.03)
    cut = mesh_of(Ellipsoid((0.1, 0.1, 0.1), (0.15, 0.0, 0.0)))
    assert cut.is_watertight and cut.bounds[1, 0] == pytest.approx(0.15, abs=GRID.spacing)


def test_no_surface_is_none() -> None:
    assert extract(Ellipsoid((0.01, 0.01, 0.01), (5.0, 0.0, 0.0)), GRID, 0.0) is None


def test_colours_and_normals_are_the_fields() -> None:
    surface = extract(Union(sphere(0.1)), GRID, 0.0)
    assert surface is not None
    mesh = paint(Union(sphere(0.1)), surface)
    out = mesh.vertices / np.linalg.norm(mesh.vertices, axis=1, keepdims=True)
    np.testing.assert_allclose(mesh.vertex_normals, out, atol=1e-3)
    expected = np.round((out + 1) * 127.5)
    assert np.abs(mesh.visual.vertex_colors[:, :3].astype(int) - expected).max() <= 1


def test_colours_are_seen_from_outside() -> None:
    surface = extract(Hollow(), GRID, 0.0)
    assert surface is not None
    mesh = paint(Hollow(), surface)  # its colour is the direction of view: inward
    inward = -mesh.vertices / np.linalg.norm(mesh.vertices, axis=1, keepdims=True)
    expected = np.round((inward + 1) * 127.5)
    assert np.abs(mesh.visual.vertex_colors[:, :3].astype(int) - expected).max() <= 1


def saved(folder: Path, radius: float) -> Path:
    small = {"layers": 2, "width": 8, "latent": 4, "mapping": {"layers": 1, "width": 8}}
    parts = networks(**small, start={"radius": radius})
    generator = Generator(parts)
    generator.reset(0)
    generator.estimate_mean_style(10)
    model = Model(integrator="occupancy", stages=(Stage(resolution=8, steps=1),))
    info = {
        "model": "gof",
        "seed": 0,
        "networks": parts.model_dump(mode="json"),
        "camera": Camera().model_dump(mode="json"),
        "trained_as": model.model_dump(mode="json"),
        "half_width": 0.05,
        "background": [1.0, 1.0, 1.0],
    }
    if radius == 0:
        with torch.no_grad():
            generator.field.occupancy.weight.zero_()
            generator.field.occupancy.bias.fill_(-5.0)
    generators.save(folder / "generator.yaml", generator, info)
    return folder / "generator.yaml"


CONFIG = Config.parse(
    {"meshes": {"count": 2, "resolution": 32}, "tracking": {"enabled": False}}, "test"
)


def test_the_verb_writes_files_that_others_read(tmp_path: Path) -> None:
    out = tmp_path / "meshes" / "meshes.json"
    run_meshes(CONFIG, MeshJob(generator=saved(tmp_path, 0.085), out=out))
    numbers = json.loads(out.read_text())["numbers"]
    assert numbers["empty"] == 0 and len(numbers["shapes"]) == 2
    for i, row in enumerate(numbers["shapes"]):
        assert row["watertight"] and row["volume"] > 0
        for kind in ("ply", "glb"):
            mesh = trimesh.load_mesh(out.parent / f"mesh-{i:03d}.{kind}", process=False)
            assert len(mesh.faces) == row["faces"] and len(mesh.vertices) == row["vertices"]
            assert mesh.volume == pytest.approx(row["volume"], rel=1e-4)
            path = out.parent / f"mesh-{i:03d}.{kind}"
            colours = mesh.visual.vertex_colors if kind == "ply" else glb_colours(path)
            assert len(colours) == row["vertices"] and colours.std(0)[:3].max() > 0
    assert "mesh-001" in (out.parent / "viewer.html").read_text()
    again = tmp_path / "again" / "meshes.json"
    run_meshes(CONFIG, MeshJob(generator=tmp_path / "generator.yaml", out=again))
    for name in ("mesh-000.ply", "mesh-001.glb", "viewer.html"):
        assert (again.parent / name).read_bytes() == (out.parent / name).read_bytes()


def test_shapes_without_surface_give_a_row_and_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "meshes" / "meshes.json"
    run_meshes(CONFIG, MeshJob(generator=saved(tmp_path, 0.0), out=out))
    numbers = json.loads(out.read_text())["numbers"]
    assert numbers["empty"] == 2 and [row["faces"] for row in numbers["shapes"]] == [0, 0]
    assert "mesh-001: the field has no surface" in capsys.readouterr().err
    assert not list(out.parent.glob("*.ply")) and (out.parent / "viewer.html").exists()


@pytest.mark.parametrize("kind", ["ply", "glb", "obj"])
def test_the_name_of_a_mesh_gets_the_first_head_alone(tmp_path: Path, kind: str) -> None:
    generator, every = saved(tmp_path, 0.085), tmp_path / "meshes"
    run_meshes(CONFIG, MeshJob(generator=generator, out=every))
    run_meshes(CONFIG, MeshJob(generator=generator, out=tmp_path / "one" / f"head.{kind}"))
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == sorted(
        [".gof", f"head.{kind}", "head.json"]
    )
    (row,) = json.loads((tmp_path / "one" / "head.json").read_text())["numbers"]["shapes"]
    first = json.loads((every / "meshes.json").read_text())["numbers"]["shapes"][0]
    assert row == {**first, "name": "head"}
    mesh = trimesh.load_mesh(tmp_path / "one" / f"head.{kind}", process=False)
    same = trimesh.load_mesh(every / "mesh-000.ply", process=False)
    assert len(mesh.faces) == len(same.faces)
    np.testing.assert_allclose(mesh.bounds, same.bounds, atol=1e-5)


def test_the_name_of_a_page_gets_the_page_alone(tmp_path: Path) -> None:
    generator = saved(tmp_path, 0.085)
    run_meshes(CONFIG, MeshJob(generator=generator, out=tmp_path / "meshes"))
    run_meshes(CONFIG, MeshJob(generator=generator, out=tmp_path / "one" / "heads.html"))
    assert {path.name for path in (tmp_path / "one").iterdir()} == {
        ".gof",
        "heads.html",
        "heads.json",
    }
    page = (tmp_path / "one" / "heads.html").read_bytes()
    assert page == (tmp_path / "meshes" / "viewer.html").read_bytes()


def test_one_mesh_without_a_surface_is_an_error_that_writes_nothing(tmp_path: Path) -> None:
    generator = saved(tmp_path, 0.0)
    with pytest.raises(InputError, match="head 0 has no surface"):
        run_meshes(CONFIG, MeshJob(generator=generator, out=tmp_path / "one" / "head.glb"))
    assert not list((tmp_path / "one").iterdir())
