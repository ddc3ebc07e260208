"""The models of cars: read from their archive, brought into one frame, what no camera sees left
out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor

from gof.geometry.meshes import sphere_directions
from gof.geometry.raster import rasterise
from gof.geometry.shading import to_linear
from gof.run.archives import unpack
from gof.run.files import InputError, read_npz, write_npz

RADIUS = 0.24  # half the diagonal of a car, camera radii: it stays in view from everywhere
OPAQUE_GLASS = (0.02, 0.025, 0.03)  # linear; else one looks into the cabin
CELL = 0.002  # detail below it, half a pixel of a render of 128, is merged away; camera radii
VIEWS, VIEW_SIZE, VIEW_FOV = 40, 384, 30.0  # from which a triangle must be seen to be kept
TOGETHER = 8  # views drawn at once


@dataclass(frozen=True, slots=True)
class _Entry:
    """A model in its library: name, file, name of its paint, its maker."""

    name: str
    library: str
    file: str
    paint: str
    maker: str


def _entries() -> list[_Entry]:
    made = [_Entry("focus", "BlendSwap-CC-BY", "blendswap-cc-by/fordFocus", "carPaint", "Ruff")]
    for name, paint in (
        ("concept-sedan-01v1", "Car"),
        ("concept-sedan-01v2", "Car"),
        ("concept-sedan-02", "PAINT_lt_blue"),
        ("concept-sedan-02-sport", "PAINT_lt_blue"),
        ("VW-new-beetle", "PAINT_yellow"),
    ):
        made.append(_Entry(name, "KatorLegaz", f"katorlegaz/{name}", paint, "Kator Legaz"))
    for name, paint in (
        ("seat_leon", "chapa_roja"),
        ("peugeot-308", "color-exterior"),
        ("renault-scenic", "color-beige-green"),
        ("suv", "firstcolor"),
        ("chevrolet", "firstcolor"),
        ("van", "firstcolor"),
        ("smart-car", "first-color"),
    ):
        made.append(_Entry(name, "Scopia", f"scopia/{name}", paint, "Scopia"))
    return made


ENTRIES = _entries()


@dataclass(frozen=True, slots=True)
class CarModel:
    """A car: vertices [v, 3] around the origin, y up, its front on +z, half its diagonal RADIUS;
    normals [v, 3]; triangles [f, 3], of which either side may be the outer one; colour [f, 3],
    linear, and whether it is paint [f]."""

    vertices: Tensor
    normals: Tensor
    triangles: Tensor
    colour: Tensor
    paint: Tensor


def both_sides(triangles: Tensor) -> Tensor:
    """Triangles [f, 3] and the same turned over: [2 f, 3]."""
    return torch.cat([triangles, triangles.flip(-1)])


def read_models(archive: Path) -> list[CarModel]:
    """All models of the package. Raises InputError where it is damaged or not that package."""
    with TemporaryDirectory(prefix="gof-cars-") as folder:
        top = Path(folder)
        libraries = {f"{entry.library}.sh3f" for entry in ENTRIES}
        unpack(archive, top / "package", wanted=lambda name: name.split("/")[-1] in libraries)
        for library in libraries:
            found = next((top / "package").rglob(library), None)
            if found is None:
                raise InputError(f"{archive}: holds no {library}: another package?")
            folders = tuple(f"{own.file}/" for own in ENTRIES if f"{own.library}.sh3f" == library)
            unpack(found, top / library, wanted=lambda name, own=folders: name.startswith(own))  # type: ignore[misc]
        return [_read(entry, top / f"{entry.library}.sh3f") for entry in ENTRIES]


def _read(entry: _Entry, top: Path) -> CarModel:
    import trimesh

    path = top / entry.file / f"{entry.file.split('/')[-1]}.obj"
    try:
        parts = list(trimesh.load_scene(path, process=False).geometry.values())
        painted = [part.visual.material.name == entry.paint for part in parts]
        vertices = np.concatenate([part.vertices for part in parts])
        normals = np.concatenate([part.vertex_normals for part in parts])
        first = np.cumsum([0, *(len(part.vertices) for part in parts)])
        triangles = [part.faces + start for part, start in zip(parts, first, strict=False)]
        colour = np.concatenate([_colours(part) for part in parts])
    except Exception as error:  # readers of meshes raise many kinds
        raise InputError(f"{path.name}: not read ({type(error).__name__}: {error})") from None
    if not any(painted):
        raise InputError(f"{path.name}: no paint named {entry.paint}: another version?")
    low, high = vertices.min(0), vertices.max(0)
    vertices = (vertices - (low + high) / 2) * (2 * RADIUS / np.linalg.norm(high - low))
    paint = np.repeat(painted, [len(part.faces) for part in parts])
    model = CarModel(
        torch.from_numpy(vertices).float(),
        torch.from_numpy(normals.copy()).float(),
        torch.from_numpy(np.concatenate(triangles)).long(),
        torch.from_numpy(colour).float(),
        torch.from_numpy(paint),
    )
    return _seen_only(_without_detail(model))


def _without_detail(model: CarModel) -> CarModel:
    """Vertices within a cell are merged, but for their normals, which edges keep apart."""
    cell = (model.vertices / CELL).round()
    facing = torch.cat([cell, (1.5 * model.normals).round()], -1)
    place = _means(model.vertices, cell.unique(dim=0, return_inverse=True)[1])
    kinds, kind = facing.unique(dim=0, return_inverse=True)
    first = torch.full((len(kinds),), len(kind)).scatter_reduce(
        0, kind, torch.arange(len(kind)), "amin"
    )
    normals = torch.nn.functional.normalize(_means(model.normals, kind)[first], dim=-1)
    corners = cell[model.triangles]
    whole = (corners[:, [0, 1, 2]] != corners[:, [1, 2, 0]]).any(-1).all(-1)
    triangles = kind[model.triangles[whole]]
    return CarModel(place[first], normals, triangles, model.colour[whole], model.paint[whole])


def _means(values: Tensor, group: Tensor) -> Tensor:
    """For each row [n, c] the mean of its group's."""
    total = torch.zeros(int(group.max()) + 1, values.shape[1]).index_add_(0, group, values)
    return total[group] / group.bincount()[group][:, None]


def _colours(part: object) -> np.ndarray:
    """Linear colour of each triangle of a part [f, 3]: of its material, glass opaque."""
    material, faces = part.visual.material, part.faces  # type: ignore[attr-defined]
    colour = np.asarray(material.diffuse, dtype=np.float64)[:3] / 255
    alpha = float(material.kwargs.get("d", [1])[0])
    if alpha < 0.95 and colour[0] - colour[2] < 0.3:  # red and orange lamps keep their colour
        return np.broadcast_to(OPAQUE_GLASS, (len(faces), 3))
    codes = np.broadcast_to(colour, (len(faces), 3))
    if getattr(material, "image", None) is not None:
        at_vertices = material.to_color(part.visual.uv)[:, :3] / 255  # type: ignore[attr-defined]
        codes = at_vertices[faces].mean(1)
    return to_linear(torch.from_numpy(codes.copy())).numpy()


def _seen_only(model: CarModel) -> CarModel:
    """Without the triangles that no camera around it sees: seats, engines, the insides of
    doors."""
    directions = torch.from_numpy(sphere_directions(VIEWS)).float()
    yaw, pitch = torch.atan2(directions[:, 0], directions[:, 2]), directions[:, 1].asin()
    seen = torch.zeros(len(model.triangles), dtype=torch.bool)
    doubled = both_sides(model.triangles)
    for poses in torch.stack([yaw, pitch], -1).split(TOGETHER):
        vertices = model.vertices.expand(len(poses), -1, -1)
        raster = rasterise(vertices, doubled, poses, VIEW_SIZE, VIEW_FOV)
        seen[raster.triangle_id[raster.mask] % len(seen)] = True
    used, triangles = model.triangles[seen].unique(return_inverse=True)
    return CarModel(
        model.vertices[used],
        model.normals[used],
        triangles,
        model.colour[seen],
        model.paint[seen],
    )


def save_models(path: Path, models: list[CarModel]) -> None:
    """Write them as one file."""
    write_npz(
        path,
        {
            f"{name}_{number}": getattr(model, name).numpy()
            for number, model in enumerate(models)
            for name in CarModel.__slots__
        },
    )


def load_models(path: Path) -> list[CarModel]:
    """Read what `save_models` wrote. Raises InputError for another file."""
    arrays = read_npz(path)
    count = len({name.rsplit("_", 1)[-1] for name in arrays})
    try:
        return [
            CarModel(*(torch.from_numpy(arrays[f"{name}_{k}"]) for name in CarModel.__slots__))
            for k in range(count)
        ]
    except KeyError:
        raise InputError(f"{path}: holds no models of cars: delete it, run again") from None


def attribution() -> str:
    """Who made the models, as their licence asks."""
    lines = [f"- {own.name}: {own.maker} ({own.library}), CC BY 3.0" for own in ENTRIES]
    return "\n".join(
        [
            "The cars are 3D models of Sweet Home 3D's libraries (https://www.sweethome3d.com), "
            "under CC BY 3.0 (https://creativecommons.org/licenses/by/3.0/):",
            "",
            *lines,
            "",
            "Changes: scaled, stretched, painted anew, windows made opaque, what is not seen from "
            "outside left out.",
            "",
        ]
    )
