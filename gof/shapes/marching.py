"""Fields become meshes: marching cubes on logits, evaluated only where the surface can be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import trimesh
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor
from tqdm import tqdm

from gof.experiment.config import Config
from gof.fields.field import Field
from gof.geometry.glb import exported
from gof.models import pretrained as generators
from gof.models.pretrained import Pretrained
from gof.models.seeds import seeds_of
from gof.rendering.surface import normals
from gof.run import machine
from gof.run.files import InputError, atomic_write, say
from gof.run.job import job
from gof.run.memory import in_parts
from gof.run.outputs import Writes
from gof.run.target import placed
from gof.shapes.jobs import MeshJob
from gof.shapes.settings import MeshSettings
from gof.shapes.sparse_grid import Crossed, Grid, crossed_cells
from gof.shapes.viewer import viewer

CHUNK = 65536  # points painted together
KINDS = ("ply", "glb")
ALONE = (*KINDS, "obj")  # kinds of one mesh by itself


@dataclass(frozen=True, slots=True)
class Surface:
    """A closed triangle mesh that faces outward.

    vertices float32 [v, 3] in world units, faces int32 [f, 3]; components: how many there were
    before the largest (by volume) was kept, and dropped: their faces; evaluated: share of the
    grid's points that the field was asked for.
    """

    vertices: np.ndarray
    faces: np.ndarray
    components: int
    dropped: int
    evaluated: float


def extract(field: Field, grid: Grid, level: float) -> Surface | None:
    """Mesh of {logit = level}; field: one image. None where the cube holds no surface.

    What touches the cube's border is closed there: the outside counts as free. For what can be
    missed see `gof.shapes.sparse_grid.crossed_cells`.
    """

    cells = crossed_cells(field, grid, level)
    if not cells.pattern.size:
        return None
    vertices, faces = triangles(cells)
    label = _components(len(vertices), faces)[faces[:, 0]]
    vertices = vertices * grid.spacing - grid.side / 2
    volumes = np.bincount(label, _signed_volumes(vertices, faces))
    sizes = np.bincount(label)
    # Enclosed hollows have the opposite sign, so they are never the largest.
    largest = int(np.argmax(np.where(sizes > 0, volumes, -np.inf)))
    kept = faces[label == largest]
    used = np.zeros(len(vertices), np.bool_)
    used[kept] = True
    number = np.cumsum(used, dtype=np.int32) - 1
    return Surface(
        vertices=vertices[used].astype(np.float32),
        faces=number[kept],
        components=int((sizes > 0).sum()),
        dropped=len(faces) - len(kept),
        evaluated=cells.evaluated / grid.n**3,
    )


def triangles(cells: Crossed) -> tuple[np.ndarray, np.ndarray]:
    """Marching cubes: vertices float64 [v, 3], in spacings from the grid's first point, and faces
    int32 [f, 3]. The triangles that PyMCubes gives for the dense array."""
    number = np.empty((3, len(cells.values)), np.int32)  # of the vertex ahead of a row, by axis
    vertices: list[np.ndarray] = []
    count = 0
    for axis in range(3):
        ahead = 4 >> axis
        ends = cells.pattern & (1 | 1 << ahead)
        at = np.flatnonzero((ends == 1) | (ends == 1 << ahead))
        low, high = (cells.values[cells.rows[corner, at]].astype(float) for corner in (0, ahead))
        vertex = cells.index[:, at].astype(float)
        vertex[axis] += low / (low - high)
        vertices.append(vertex)
        number[axis, cells.rows[0, at]] = np.arange(count, count + len(at))
        count += len(at)
    edges = _table()[cells.pattern]
    cell, which = np.nonzero(edges[..., 0] >= 0)
    lower, axes = np.divmod(edges[cell, which], 3)
    return np.concatenate(vertices, 1).T, number[axes, cells.rows[lower, cell[:, None]]]


@cache
def _table() -> np.ndarray:
    """The triangles int8 [256, 5, 3] of each pattern of signs, read off a library: three edges
    each, as 3 * lower corner + axis; -1 where a pattern has fewer than five."""
    table = np.full((256, 5, 3), -1, np.int8)
    for pattern in range(1, 255):
        signs = np.where(pattern >> np.arange(8) & 1, 1.0, -1.0)
        middles, faces = _cell(signs.reshape(2, 2, 2))
        edges = np.floor(middles) @ (12, 6, 3) + np.argmax(middles % 1, axis=1)
        table[pattern, : len(faces)] = edges[faces.astype(np.int64)]
    return table


def _cell(signs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and faces of a cell: PyMCubes', or where there is none for this Python,
    scikit-image's, which closes the same cells by other triangles."""
    try:
        import mcubes
    except ImportError:
        from skimage.measure import marching_cubes

        found = marching_cubes(signs, 0.0, gradient_direction="ascent", method="lorensen")
        return found[0], found[1]
    vertices, faces = mcubes.marching_cubes(signs, 0.0)
    return vertices, faces


def _components(count: int, faces: np.ndarray) -> np.ndarray:
    """Number of the connected component of each vertex."""
    ends = faces[:, [0, 1]], faces[:, [1, 2]]
    pairs = np.concatenate(ends)
    graph = coo_array((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), (count, count))
    return np.asarray(connected_components(graph, directed=False)[1])


def _signed_volumes(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Volume of the tetrahedron of each face and the origin; their sum is positive when faces look
    outward."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    return np.asarray(np.einsum("ij,ij->i", a, np.cross(b, c)) / 6)


def paint(field: Field, surface: Surface, device: str = "cpu") -> trimesh.Trimesh:
    """A mesh with normals from the field, on `device`, and the colours that a viewer right above
    each vertex sees."""
    at = torch.from_numpy(surface.vertices).to(device)

    def look(part: Tensor) -> tuple[Tensor, Tensor]:
        normal = normals(field, part[None])
        with torch.no_grad():
            colour, _ = field.radiance(part[None], -normal)
        return ((colour[0].clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8), normal[0]

    parts = [in_parts(look, part) for part in at.split(CHUNK)]
    colours, directions = zip(*parts, strict=True)
    return trimesh.Trimesh(
        surface.vertices,
        surface.faces,
        vertex_normals=torch.cat(directions).cpu().numpy(),
        vertex_colors=torch.cat(colours).cpu().numpy(),
        process=False,
    )


@dataclass(frozen=True, slots=True)
class _Plan:
    """What to write: meshes of heads by their names, of these kinds, beside a record, and a
    page."""

    record: Path
    seeds: dict[str, int]
    kinds: tuple[str, ...]
    page: Path | None

    @classmethod
    def of(cls, out: Path, seeds: Sequence[int] | None, count: int) -> _Plan:
        """What a file stands for: one mesh, the page, or, as a record, all of the heads; without
        seeds the first one, or `count`. Raises InputError for one mesh of several heads."""
        record, kind = out.with_suffix(".json"), out.suffix[1:]
        if kind in ALONE:
            if seeds and len(seeds) > 1:
                raise InputError(f"--seeds: {out.name} is one mesh: name one head, or a folder")
            return cls(record, {out.stem: (seeds or [0])[0]}, (kind,), None)
        heads = {f"mesh-{seed:03d}": seed for seed in seeds or range(count)}
        if kind == "html":
            return cls(record, heads, (), out)
        return cls(record, heads, KINDS, out.with_name("viewer.html"))

    def files(self) -> tuple[Path, ...]:
        """All files but the record."""
        own = [self.file(name, kind) for name in self.seeds for kind in self.kinds]
        return (*own, self.page) if self.page else tuple(own)

    def file(self, name: str, kind: str) -> Path:
        """The file of one mesh."""
        return self.record.with_name(f"{name}.{kind}")


def run_meshes(config: Config, wanted: MeshJob) -> None:
    """Write what `wanted.out` names, and a record beside it: the mesh of one head, a page to
    turn the meshes, or both with mesh-000.ply, .glb and so on.

    A shape without surface gives a row with `faces` 0, a warning and no files; the others are made
    all the same. Raises InputError where only that one is asked for.
    """
    out = placed(wanted.out, "meshes.json", *(f".{kind}" for kind in ALONE), ".html")
    seeds = seeds_of(wanted.seeds) if wanted.seeds else None
    config = config.told("meshes", wanted, "truncation", "resolution")
    plan, inputs = _Plan.of(out, seeds, config.meshes.count), {"generator": wanted.generator}
    own = config.scoped(config.only("meshes"))
    with job(plan.record, "meshes", own, inputs, Writes(beside=plan.files())) as running:
        model = generators.load(wanted.generator, machine.device())
        meshes: dict[str, trimesh.Trimesh] = {}
        shapes = []
        for name, seed in tqdm(plan.seeds.items(), desc="meshes", disable=None):
            shape, mesh = _one(model, config, seed)
            shapes.append({"name": name, **shape})
            if mesh is None and plan.page is None:
                raise InputError(f"{wanted.generator}: head {seed} has no surface: train longer")
            if mesh is None:
                say(f"warning: {name}: the field has no surface in the meshed cube, no files")
                continue
            meshes[name] = mesh
            for kind in plan.kinds:
                atomic_write(plan.file(name, kind), exported(mesh, kind))
        if plan.page is not None:
            title = f"{model.info['model']}, seed {model.info['seed']}"
            atomic_write(plan.page, viewer(meshes, title))
            running.artifact(plan.page)
        running.numbers = {"shapes": shapes, "empty": len(shapes) - len(meshes)}


def head_mesh(
    model: Pretrained, latent: Tensor, s: MeshSettings
) -> tuple[Surface, trimesh.Trimesh] | None:
    """The surface of the head of a latent [1, latent] and its painted mesh; None where there is no
    surface."""
    field = model.bind(latent, s.truncation)
    grid = Grid(s.resolution, s.side, model.device.type)
    surface = extract(field, grid, model.settings.level)
    return None if surface is None else (surface, paint(field, surface, grid.device))


def _one(
    model: Pretrained, config: Config, seed: int
) -> tuple[dict[str, Any], trimesh.Trimesh | None]:
    """Numbers of one shape, and its mesh."""
    found = head_mesh(model, model.heads([seed]), config.meshes)
    if found is None:
        return {"vertices": 0, "faces": 0}, None
    surface, mesh = found
    return {
        "vertices": len(surface.vertices),
        "faces": len(surface.faces),
        "watertight": bool(mesh.is_watertight),
        "volume": float(mesh.volume),
        "euler_number": int(mesh.euler_number),
        "components_removed": surface.components - 1,
        "faces_removed": surface.dropped,
        "evaluated_share": surface.evaluated,
    }, mesh
