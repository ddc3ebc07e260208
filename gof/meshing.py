"""Fields become meshes: marching cubes on logits, evaluated only where the surface can be."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mcubes
import numpy as np
import torch
import torch.nn.functional as F
import trimesh
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor
from tqdm import tqdm

from gof import generator as generators
from gof.config import Config
from gof.fields import Field
from gof.generator import Pretrained
from gof.io import atomic_write, say
from gof.job import job
from gof.rendering.surface import normals
from gof.viewer import viewer

STRIDE = 4  # fine cells along an edge of a coarse one
SAFETY = 1.2  # on the slope that says how far the surface may be
CHUNK = 65536  # points evaluated together

Values = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Grid:
    """n points a side of a cube around the origin, from -side / 2 to side / 2 (camera radii)."""

    n: int
    side: float

    @property
    def spacing(self) -> float:
        """Distance of neighbouring points."""
        return self.side / (self.n - 1)

    def points(self, index: Tensor) -> Tensor:
        """Integer indices [..., 3] in the order x, y, z -> points [..., 3]."""
        return index * self.spacing - self.side / 2


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


def sample_grid(field: Field, grid: Grid, level: float) -> tuple[np.ndarray, float]:
    """logit - level on the grid, [n, n, n] in the order x, y, z, and the share of points evaluated.

    A coarse grid comes first. A coarse cell is refined where its corners differ in sign, or where a
    corner's slope says that the surface may pass within the cell's reach; and then wherever refined
    points show that the surface goes on into a cell not yet refined. All other points get coarse
    values by trilinear interpolation, of the right sign. The result is exact unless a part of the
    shape touches no refined cell at all.
    """
    cells = math.ceil((grid.n - 1) / STRIDE)
    size = cells * STRIDE + 1
    coarse, slope = _coarse(field, grid, cells, level)
    active = _suspects(coarse, slope, grid.spacing * STRIDE)
    fine = _enlarge(coarse, size)
    known = torch.zeros_like(fine, dtype=torch.bool)
    known[::STRIDE, ::STRIDE, ::STRIDE] = True
    while True:
        wanted = _points_of(active) & ~known
        if not bool(wanted.any()):
            break
        index = wanted.nonzero()
        fine[wanted] = _values(field, grid, index, level)
        known |= wanted
        active = active | _mixed(fine)
    n = grid.n
    return fine[:n, :n, :n].numpy(), float(known[:n, :n, :n].float().mean())


def _values(field: Field, grid: Grid, index: Tensor, level: float) -> Tensor:
    with torch.no_grad():
        parts = [field.logits(grid.points(i)[None])[0] for i in index.split(CHUNK)]
    return (torch.cat(parts) - level).float()


def _coarse(field: Field, grid: Grid, cells: int, level: float) -> tuple[Tensor, Tensor]:
    """Values and slopes |gradient| at the corners of the coarse cells, both [cells + 1] * 3."""
    axis = torch.arange(cells + 1) * STRIDE
    index = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    values, slopes = [], []
    for part in index.split(CHUNK):
        at = grid.points(part)[None].requires_grad_()
        logits = field.logits(at)
        (gradient,) = torch.autograd.grad(logits.sum(), at)
        values.append(logits.detach()[0] - level)
        slopes.append(gradient[0].norm(dim=-1))
    shape = (cells + 1,) * 3
    return torch.cat(values).float().view(shape), torch.cat(slopes).float().view(shape)


def _suspects(values: Tensor, slope: Tensor, edge: float) -> Tensor:
    """Coarse cells to refine: [cells] * 3 bool."""
    steepest = F.max_pool3d(slope[None], 3, 1, 1)[0]
    distance = values.abs() / steepest.clamp_min(1e-12)
    reach = SAFETY * edge * math.sqrt(3) / 2
    near = F.max_pool3d(-distance[None], 2, 1)[0] > -reach
    return near | _differs(values, 1)


def _differs(values: Tensor, cell: int) -> Tensor:
    """Which cells of `cell` spacings hold points of both signs, their faces included."""
    positive = (values >= 0).float()[None]
    some = F.max_pool3d(positive, cell + 1, cell)[0]
    every = -F.max_pool3d(-positive, cell + 1, cell)[0]
    return some != every


def _mixed(fine: Tensor) -> Tensor:
    return _differs(fine, STRIDE)


def _points_of(active: Tensor) -> Tensor:
    """Fine points inside or on the faces of coarse cells."""
    mask = active
    for axis in range(3):
        mask = mask.repeat_interleave(STRIDE, axis)
        ahead = F.pad(mask, [0, 0] * (2 - axis) + [0, 1])
        mask = ahead | F.pad(mask, [0, 0] * (2 - axis) + [1, 0])
    return mask


def _enlarge(coarse: Tensor, size: int) -> Tensor:
    """Trilinear interpolation to `size` points a side; the coarse points keep their values."""
    shape = (size, size, size)
    wide = F.interpolate(coarse[None, None], shape, mode="trilinear", align_corners=True)[0, 0]
    wide[::STRIDE, ::STRIDE, ::STRIDE] = coarse
    return wide


def extract(field: Field, grid: Grid, level: float) -> Surface | None:
    """Mesh of {logit = level}; field: one image. None where the cube holds no surface.

    What touches the cube's border is closed there: the outside counts as free.
    """
    values, evaluated = sample_grid(field, grid, level)
    free = -10 * max(float(np.abs(values).max()), 1e-6)
    padded = np.pad(values, 1, constant_values=free)
    vertices, faces = mcubes.marching_cubes(padded, 0.0)
    if len(faces) == 0:
        return None
    vertices = (vertices - 1) * grid.spacing - grid.side / 2
    faces = faces.astype(np.int32)
    label = _components(len(vertices), faces)[faces[:, 0]]
    volumes = np.bincount(label, _signed_volumes(vertices, faces))
    sizes = np.bincount(label)
    # Enclosed hollows have the opposite sign, so they are never the largest.
    largest = int(np.argmax(np.where(sizes > 0, volumes, -np.inf)))
    kept = faces[label == largest]
    used, kept = np.unique(kept, return_inverse=True)
    return Surface(
        vertices=vertices[used].astype(np.float32),
        faces=kept.reshape(-1, 3).astype(np.int32),
        components=int((sizes > 0).sum()),
        dropped=int(len(faces) - len(kept.reshape(-1, 3))),
        evaluated=evaluated,
    )


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


def paint(field: Field, surface: Surface) -> trimesh.Trimesh:
    """A mesh with normals from the field and the colours that a viewer right above each vertex
    sees."""
    at = torch.from_numpy(surface.vertices)[None]
    colours, directions = [], []
    for part in at.split(CHUNK, 1):
        normal = normals(field, part)
        with torch.no_grad():
            colour, _ = field.radiance(part, -normal)
        colours.append(((colour[0].clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8))
        directions.append(normal[0])
    return trimesh.Trimesh(
        surface.vertices,
        surface.faces,
        vertex_normals=torch.cat(directions).numpy(),
        vertex_colors=torch.cat(colours).numpy(),
        process=False,
    )


def run_meshes(config: Config, generator: Path, out: Path) -> None:
    """Write mesh-000.ply, .glb, ... and viewer.html beside the record `out`.

    A shape without surface gives a row with `faces` 0, a warning and no files; the others are made
    all the same.
    """
    with job(out, "meshes", config, {"generator": generator}) as running:
        model = generators.load(generator)
        meshes: dict[str, trimesh.Trimesh] = {}
        shapes = []
        for i in tqdm(range(config.meshes.count), desc="meshes", disable=None):
            name = f"mesh-{i:03d}"
            shape, mesh = _one(model, config, i)
            shapes.append({"name": name, **shape})
            if mesh is None:
                say(f"warning: {name}: the field has no surface in the meshed cube, no files")
                continue
            meshes[name] = mesh
            for kind in ("ply", "glb"):
                atomic_write(out.parent / f"{name}.{kind}", _exported(mesh, kind))
        title = f"{model.info['model']}, seed {model.info['seed']}"
        atomic_write(out.parent / "viewer.html", viewer(meshes, title))
        running.numbers = {"shapes": shapes, "empty": len(shapes) - len(meshes)}
        running.artifact(out.parent / "viewer.html")


def _exported(mesh: trimesh.Trimesh, kind: str) -> bytes:
    content = mesh.export(file_type=kind)
    assert isinstance(content, bytes)
    return content


def _one(
    model: Pretrained, config: Config, index: int
) -> tuple[dict[str, Any], trimesh.Trimesh | None]:
    """Numbers of one shape, and its mesh. The latents are those of the sample sheet."""
    s = config.meshes
    latent = model.latents(0, index + 1)[index:]
    field = model.bind(latent, s.truncation)
    surface = extract(field, Grid(s.resolution, s.side), model.settings.level)
    if surface is None:
        return {"vertices": 0, "faces": 0}, None
    mesh = paint(field, surface)
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
