"""What fits are worth where the truth is known: landmarks, depth, coefficients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gof.data.manifest import Manifest
from gof.data.reader import Reader, load_split
from gof.fitting.fit import Fits
from gof.geometry.cameras import project
from gof.geometry.raster import Raster, rasterise
from gof.morphable.coefficients import BLOCKS, Coefficients
from gof.morphable.landmarks import ERROR, nme_percent
from gof.morphable.model import MorphableModel
from gof.run.columns import Column, described

TRUTH = (*BLOCKS, "pose", "landmarks")
BLOCK = 16  # heads drawn together
DEPTH_RATIO = Column("depth_error_ratio", "depth error / mean head's", rank=20)
COLUMNS = described("faces", (ERROR, DEPTH_RATIO))


@dataclass(frozen=True, slots=True)
class Truth:
    """Of n heads: coefficients, pose [n, 2], landmarks [n, 68, 2]. depth: from numbers of heads to
    distances along the rays, [len(numbers), r, r], 0 beside the head."""

    coefficients: Coefficients
    pose: Tensor
    landmarks: Tensor
    depth: Callable[[range], Tensor]


@dataclass(frozen=True, slots=True)
class DepthErrors:
    """Median absolute depth error inside the face of each image, [n]: of the fit and of the mean
    head where the fit stands (camera radii)."""

    fit: Tensor
    mean_head: Tensor


def has_truth(manifest: Manifest, split: str) -> bool:
    """Whether a data set was rendered and kept what it was rendered from."""
    return set(TRUTH) <= set(Reader(manifest, split).names)


def load_truth(manifest: Manifest, split: str) -> Truth:
    """The truth of a split, depth at its smallest size."""
    own = {n: torch.from_numpy(a) for n, a in load_split(manifest, split, TRUTH).items()}
    head = Coefficients(own["identity"], own["expression"], own["albedo"], own["light"].flatten(1))
    reader, size = Reader(manifest, split), min(manifest.resolutions)
    return Truth(head, own["pose"], own["landmarks"], lambda some: reader.depth(size, some)[0])


def fits_model(model: MorphableModel, head: Coefficients) -> bool:
    """Whether coefficients are those of a model, by their number."""
    sizes = (len(model.identity), len(model.expression), model.palette.size)
    return sizes == (head.identity.shape[1], head.expression.shape[1], head.albedo.shape[1])


def on_face(model: MorphableModel, raster: Raster) -> Tensor:
    """Pixels that see the face proper: bool [n, h, w]."""
    inner = model.face[model.triangles].all(-1)
    return raster.mask & inner[raster.triangle_id.clamp(min=0)]


def depth_errors(model: MorphableModel, fits: Fits, truth: Truth, fov_deg: float) -> DepthErrors:
    """Compare depths at the pixels where all three heads, true, fitted and mean, are seen and the
    true one shows its face."""
    columns = []
    for start in range(0, len(fits.ok), BLOCK):
        stop = min(start + BLOCK, len(fits.ok))
        own, depth = slice(start, stop), truth.depth(range(start, stop))
        size = depth.shape[-1]
        place = fits.placement[own]
        head, true = fits.coefficients[own], truth.coefficients[own]
        shapes = model.vertices(head.identity, head.expression)

        def seen(points: Tensor, pose: Tensor, size: int = size) -> Raster:
            return rasterise(points, model.triangles, pose, size, fov_deg)

        fitted = seen(place.apply(shapes), place.pose)
        mean = seen(place.apply(model.mean.expand_as(shapes)), place.pose)
        real = seen(model.vertices(true.identity, true.expression), truth.pose[own])
        mask = on_face(model, real) & fitted.mask & mean.mask & (depth > 0)
        for other in (fitted, mean):
            away = torch.where(mask, (other.depth - depth).abs(), torch.nan)
            columns.append(away.flatten(1).nanmedian(-1).values)
    return DepthErrors(torch.cat(columns[::2]), torch.cat(columns[1::2]))


def recovery(found: Tensor, true: Tensor) -> dict[str, float]:
    """How well coefficients [n, size] are found: correlation over all entries, each about its mean,
    and the share of variance explained."""
    a, b = (value - value.mean(0) for value in (found.double(), true.double()))
    scale = (a.norm() * b.norm()).clamp(min=1e-12)
    left = (found.double() - true.double()).square().sum() / b.square().sum().clamp(min=1e-12)
    return {"correlation": float((a * b).sum() / scale), "explained": float(1 - left)}


def projected(model: MorphableModel, fits: Fits, fov_deg: float) -> Tensor:
    """The fits' landmarks on the image plane, [n, 68, 2]."""
    head = fits.coefficients
    marks = torch.einsum("nc,clk->nlk", head.identity, model.identity[:, model.landmarks])
    marks += torch.einsum("nc,clk->nlk", head.expression, model.expression[:, model.landmarks])
    marks += model.mean[model.landmarks]
    return project(fits.placement.apply(marks), fits.pose, fov_deg)[0]


def against_truth(
    model: MorphableModel, fits: Fits, truth: Truth, fov_deg: float
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Rows for the tables, and further numbers, of the fits that are ok."""
    ok = fits.ok
    error = nme_percent(projected(model, fits, fov_deg), truth.landmarks)[ok]
    depths = depth_errors(model, fits, truth, fov_deg)
    own, mean = (e[ok] for e in (depths.fit, depths.mean_head))
    ratio = float(own.nanmedian() / mean.nanmedian())
    count = int(ok.sum())
    protocol = f"median over {count} test images; landmarks fitted, truth compared"
    rows = [
        fit_row("landmark_nme_percent", float(error.median()), count, protocol),
        fit_row("depth_error_ratio", ratio, count, f"{protocol}; face pixels; mean head = 1"),
    ]
    numbers = {
        "landmark_nme_percent_mean": float(error.mean()),
        "depth_error": float(own.nanmedian()),
        "depth_error_mean_head": float(mean.nanmedian()),
        "pose_error_rad": float((fits.pose - truth.pose)[ok].square().mean().sqrt()),
        "recovery": {
            name: recovery(
                getattr(fits.coefficients, name)[ok], getattr(truth.coefficients, name)[ok]
            )
            for name in BLOCKS
        },
    }
    return rows, numbers


def fit_row(metric: str, value: float, count: int, protocol: str) -> dict[str, Any]:
    """A row of the tables; a fit has no seed, so no spread."""
    named = {"model": "fit", "metric": metric, "value": value, "spread": 0.0}
    return {**named, "n": count, "protocol": protocol}
