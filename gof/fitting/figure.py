"""Pictures of fits: the image, its landmarks, the fitted head over it, and depth beside the
truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from gof.data.manifest import Manifest
from gof.data.reader import Reader
from gof.fitting.checks import has_truth, projected
from gof.fitting.fit import Fits
from gof.geometry.images import shrink
from gof.geometry.lighting import shade
from gof.geometry.meshes import vertex_normals
from gof.geometry.raster import interpolate, rasterise
from gof.geometry.shading import to_srgb
from gof.morphable.model import MorphableModel
from gof.run.files import write_png

TILE, HEADS = 192, 8
LABEL = 16  # height of the text above the columns
GIVEN, FITTED = (0, 230, 80), (255, 40, 40)
ERROR_SHOWN = 0.004  # depth error that saturates a colour, camera radii
COLUMNS = ("image", "landmarks: given, fitted", "fit", "fit over image")
DEPTH_COLUMNS = ("true depth", "fitted depth", f"difference, +-{ERROR_SHOWN}")


@dataclass(frozen=True, slots=True)
class Shown:
    """The split of a data set whose fits are drawn, and the landmarks [n, 68, 2] they were made
    from."""

    manifest: Manifest
    split: str
    fits: Fits
    points: Tensor


def draw_fit(
    model: MorphableModel, fits: Fits, fov_deg: float, size: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures of fitted heads under their fitted light: sRGB code values [n, size, size, 3], how
    much of each pixel the head covers [n, size, size, 1], and depth [n, size, size] along the
    rays."""
    head = fits.coefficients
    world = fits.placement.apply(model.vertices(head.identity, head.expression))
    normals = vertex_normals(world, model.triangles)
    linear = model.colours(head.albedo) * shade(normals, head.light.unflatten(-1, (9, 3)))
    fine = rasterise(world, model.triangles, fits.pose, 2 * size, fov_deg)
    cover = shrink(fine.mask[..., None].float(), size)
    colour = shrink(interpolate(fine, to_srgb(linear)), size) / cover.clamp(min=0.25)
    depth = rasterise(world, model.triangles, fits.pose, size, fov_deg).depth
    return colour, cover, depth


def dotted(picture: np.ndarray, sets: list[tuple[Tensor, tuple[int, int, int]]]) -> np.ndarray:
    """A picture [s, s, 3] with sets of points [k, 2] of the image plane as dots of their colour."""
    page = Image.fromarray(picture)
    pen, half = ImageDraw.Draw(page), len(picture) / 2
    for points, colour in sets:
        for x, y in points.tolist():
            column, row = (x + 1) * half, (1 - y) * half
            pen.ellipse((column - 1.5, row - 1.5, column + 1.5, row + 1.5), fill=colour)
    return np.asarray(page)


def _bytes(picture: Tensor) -> np.ndarray:
    return (picture.clamp(0, 1) * 255).round().byte().numpy()


def _grey(depth: Tensor, low: float, high: float) -> Tensor:
    """Near is bright, [..., 3]; 0 where there is nothing."""
    shade_ = 1 - 0.8 * (depth - low) / max(high - low, 1e-6)
    return torch.where(depth > 0, shade_, 0.0)[..., None].expand(*depth.shape, 3)


def _depth_tiles(fitted: Tensor, true: Tensor) -> list[Tensor]:
    """True depth, fitted depth, and what the fit is behind (red) or before (blue) the truth."""
    low, high = (float(f(true[true > 0])) for f in (torch.min, torch.max))
    away = torch.where((true > 0) & (fitted > 0), fitted - true, 0.0) / ERROR_SHOWN
    colours = torch.stack([1 + away.clamp(max=0), 1 - away.abs(), 1 - away.clamp(min=0)], -1)
    return [_grey(true, low, high), _grey(fitted, low, high), colours]


def _enlarged(picture: np.ndarray) -> np.ndarray:
    size = (TILE, TILE)
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))


def write_figure(model: MorphableModel, shown: Shown, out: Path) -> None:
    """Draw the first HEADS fits of a split, one in a row; depth where the data set has it."""
    manifest, fov = shown.manifest, shown.manifest.camera.fov_deg
    good = shown.fits.ok.nonzero().squeeze(-1)[:HEADS]
    if not len(good):
        return write_png(out, _labelled([], COLUMNS))
    size = max(manifest.resolutions)
    fits, given = shown.fits[good], shown.points[good]
    reader, numbers = Reader(manifest, shown.split), good.tolist()
    images = reader.images(size, numbers).permute(0, 2, 3, 1).float() / 255
    colour, cover, depth = draw_fit(model, fits, fov, size)
    background = torch.tensor(manifest.background)
    alone = cover * colour + (1 - cover) * background
    over = torch.where(cover > 0, 0.35 * images + 0.65 * colour, images)
    marks = projected(model, fits, fov)
    known = has_truth(manifest, shown.split)
    true = reader.depth(size, numbers)[0] if known else None
    rows = []
    for k in range(len(good)):
        pictures = [images[k], images[k], alone[k], over[k]]
        if true is not None:
            pictures += _depth_tiles(depth[k], true[k])
        tiles = [_enlarged(_bytes(picture)) for picture in pictures]
        tiles[1] = dotted(tiles[1], [(given[k], GIVEN), (marks[k], FITTED)])
        rows.append(np.concatenate(tiles, 1))
    write_png(out, _labelled(rows, COLUMNS if true is None else (*COLUMNS, *DEPTH_COLUMNS)))


def _labelled(rows: list[np.ndarray], names: tuple[str, ...]) -> np.ndarray:
    page = Image.new("RGB", (TILE * len(names), LABEL + TILE * len(rows)), "white")
    pen = ImageDraw.Draw(page)
    for k, name in enumerate(names):
        pen.text((k * TILE + 4, 1), name, fill="black")
    for k, row in enumerate(rows):
        page.paste(Image.fromarray(row), (0, LABEL + k * TILE))
    return np.asarray(page)
