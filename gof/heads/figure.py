"""A picture of what the head model can do."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from gof.geometry.cameras import project
from gof.geometry.images import shrink
from gof.geometry.lighting import shade, studio_light
from gof.geometry.meshes import vertex_normals
from gof.geometry.shading import View, picture
from gof.morphable.model import MorphableModel
from gof.run.files import write_png

TILE, COLUMNS = 192, 8
LABEL = 14  # height of the text under a tile
WHITE = (1.0, 1.0, 1.0)
EXPRESSIONS = (
    ("smile", ("mouthSmileLeft", "mouthSmileRight", "cheekSquintLeft", "cheekSquintRight")),
    ("jaw open", ("jawOpen",)),
    ("brows up", ("browInnerUp", "browOuterUpLeft", "browOuterUpRight")),
    ("brows down", ("browDownLeft", "browDownRight")),
    ("blink", ("eyeBlinkLeft", "eyeBlinkRight")),
    ("pucker", ("mouthPucker",)),
    ("frown", ("mouthFrownLeft", "mouthFrownRight")),
    ("sneer", ("noseSneerLeft", "noseSneerRight")),
)


@dataclass(frozen=True, slots=True)
class Tile:
    """One head of the figure: coefficients by their number, pose in radians, landmarks or not."""

    label: str
    identity: dict[int, float]
    expression: dict[int, float]
    albedo: dict[int, float]
    pose: tuple[float, float] = (0.0, 0.0)
    marked: bool = False


def _tiles(model: MorphableModel) -> list[Tile]:
    """Mean from all sides, components, expressions, pigments, landmarks: rows of COLUMNS."""
    poses = [(-1.2, 0.0), (-0.6, 0.0), (0.0, 0.0), (0.6, 0.0), (1.2, 0.0), (math.pi, 0.0)]
    poses += [(0.0, -0.4), (0.0, 0.4)]
    tiles = [Tile(f"mean, yaw {y:.1f}, pitch {p:.1f}", {}, {}, {}, (y, p)) for y, p in poses]
    for number in range(min(8, len(model.identity))):
        for sigma in (-2.0, 2.0):
            tiles.append(Tile(f"identity {number + 1}: {sigma:+.0f}", {number: sigma}, {}, {}))
    names = model.expression_names
    for label, units in EXPRESSIONS:
        moved = {names.index(unit): 0.8 for unit in units if unit in names}
        tiles.append(Tile(label, {}, moved, {}))
    for number, name in enumerate(model.palette.names):
        for sigma in (-2.0, 2.0):
            tiles.append(Tile(f"{name}: {sigma:+.0f}", {}, {}, {number: sigma}))
    for yaw in (-0.5, 0.0, 0.0, 0.5):
        own = {} if yaw else {0: 1.0, 2: -1.5, 4: 1.0}
        tiles.append(Tile("68 landmarks", own, {}, {}, (yaw, 0.0), marked=True))
    return tiles


def _rows(values: list[dict[int, float]], width: int) -> Tensor:
    table = torch.zeros(len(values), width)
    for row, own in enumerate(values):
        for column, value in own.items():
            table[row, column] = value
    return table


def _draw(model: MorphableModel, tiles: list[Tile], fov_deg: float) -> np.ndarray:
    """Pictures uint8 [tiles, TILE, TILE, 3], landmarks dotted where a tile asks for them."""
    vertices = model.vertices(
        _rows([tile.identity for tile in tiles], len(model.identity)),
        _rows([tile.expression for tile in tiles], len(model.expression)),
    )
    colours = model.colours(_rows([tile.albedo for tile in tiles], model.palette.size))
    normals = vertex_normals(vertices, model.triangles)
    linear = colours * shade(normals, studio_light(len(tiles)))
    poses = torch.tensor([tile.pose for tile in tiles])
    image = picture(vertices, model.triangles, linear, View(poses, fov_deg, WHITE), 2 * TILE)
    pixels = (shrink(image, TILE) * 255).round().byte().numpy()
    plane, _ = project(vertices[:, model.landmarks], poses, fov_deg)
    at = torch.stack([(plane[..., 0] + 1), (1 - plane[..., 1])], -1) * TILE / 2
    for tile, picture_, points in zip(tiles, pixels, at.long().tolist(), strict=True):
        for x, y in points if tile.marked else []:
            picture_[max(y - 1, 0) : y + 1, max(x - 1, 0) : x + 1] = (0, 220, 60)
    return pixels


def write_figure(model: MorphableModel, fov_deg: float, out: Path) -> None:
    """Mean, +-2 sigma of the first components and of the pigments, expressions, landmarks."""
    tiles = _tiles(model)
    height = TILE + LABEL
    page = Image.new("RGB", (COLUMNS * TILE, math.ceil(len(tiles) / COLUMNS) * height), "white")
    pen = ImageDraw.Draw(page)
    for start in range(0, len(tiles), COLUMNS):
        row = tiles[start : start + COLUMNS]
        for column, pixels in enumerate(_draw(model, row, fov_deg)):
            corner = (column * TILE, start // COLUMNS * height)
            page.paste(Image.fromarray(pixels), corner)
            pen.text((corner[0] + 6, corner[1] + TILE + 1), row[column].label, fill="black")
    write_png(out, np.asarray(page))
