"""Random identities from the asset's shape targets, and the linear model of their principal
components.

The components are those of this sampling law over artists' targets, not of scanned people.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gof.geometry.meshes import vertex_normals
from gof.heads.asset import BaseMesh, HeadAsset
from gof.heads.mesh import NECK, Plan
from gof.run.rng import derive

ANCESTRIES = ("african", "asian", "caucasian")
SEXES = ("female", "male")
AGES = ("child", "young", "old")
AMOUNTS = ("minmuscle", "averagemuscle", "maxmuscle"), ("minweight", "averageweight", "maxweight")
CENTER = (0.0, 7.29, 0.6)  # point of the base mesh that comes to the origin, dm
SCALE = 0.0725  # camera radii in a decimetre
FLOOR = -0.118  # where all necks end, below the lower edge of the image
# Undone by the alignment or by the end of the neck, or sideways: heads are alike left and right.
SKIP = (
    "head/head-trans",
    "neck/neck-trans",
    "neck/measure-neck-height",
    "mouth/mouth-trans-in",
    "nose/nose-trans-in",
)
HAIR_MODES = 4


@dataclass(frozen=True, slots=True)
class Targets:
    """Displacements of base vertices: macro [m, base * 3] by names; positive and negative poles [d,
    base * 3] of d details (negative ones 0 where a target is one-sided); one_sided [d]."""

    macro_names: tuple[str, ...]
    macro: Tensor
    positive: Tensor
    negative: Tensor
    one_sided: np.ndarray


def read_targets(asset: HeadAsset, base: BaseMesh) -> Targets:
    """All targets that shape a head, each made equal left and right (a few have slips there)."""
    vertices = len(base.vertices)
    ages = [f"{a}-{s}-{g}" for a in ANCESTRIES for s in SEXES for g in AGES]
    builds = [
        f"universal-{s}-{g}-{m}-{w}"
        for s in SEXES
        for g in AGES
        for m in AMOUNTS[0]
        for w in AMOUNTS[1]
    ]
    details = [v for k, v in asset.details(vertices).items() if not k.startswith(SKIP)]
    none = np.zeros((vertices, 3))
    negative = [none if pole is None else pole for _, pole in details]
    return Targets(
        (*ages, *builds),
        _stack([asset.macro(name, vertices) for name in (*ages, *builds)], base.mirror),
        _stack([pole for pole, _ in details], base.mirror),
        _stack(negative, base.mirror),
        np.array([pole is None for _, pole in details]),
    )


def _stack(arrays: list[np.ndarray], mirror: np.ndarray) -> Tensor:
    moved = np.stack(arrays)
    alike = (moved + moved[:, mirror] * (-1, 1, 1)) / 2
    return torch.from_numpy(alike.reshape(len(arrays), -1)).float()


def _macro_weights(names: tuple[str, ...], rng: np.random.Generator) -> np.ndarray:
    """Weights of the macro targets for one random person: ancestry, sex, age, build."""
    ancestry = dict(zip(ANCESTRIES, rng.dirichlet((0.7, 0.7, 0.7)), strict=True))
    male = rng.beta(0.6, 0.6)
    old, child = rng.beta(1.1, 2.2), rng.beta(1, 3) * (rng.random() < 0.15)
    muscle, weight = (rng.beta(2, 2, size=2) * 2 - 1).tolist()
    share = {
        **ancestry,
        "female": 1 - male,
        "male": male,
        "child": child,
        "young": (1 - child) * (1 - old),
        "old": (1 - child) * old,
        **_thirds(AMOUNTS[0], muscle),
        **_thirds(AMOUNTS[1], weight),
    }
    parts = [name.removeprefix("universal-").split("-") for name in names]
    return np.array([np.prod([share[p] for p in part]) for part in parts])


def _thirds(names: tuple[str, ...], value: float) -> dict[str, float]:
    """Weights of minimum, average and maximum for a value from -1 to 1."""
    low, middle, high = names
    return {low: max(-value, 0.0), middle: 1 - abs(value), high: max(value, 0.0)}


def random_person(targets: Targets, seed: int, index: int) -> tuple[np.ndarray, ...]:
    """Weights of macro targets, of positive and of negative poles, and hair modes, for one random
    person."""
    rng = np.random.default_rng(derive(seed, "person", index))
    macro = _macro_weights(targets.macro_names, rng)
    count = len(targets.one_sided)
    size = rng.normal(0, 0.25, count).clip(-0.9, 0.9) * (rng.random(count) < 0.5)
    size = np.where(targets.one_sided, np.abs(size), size)
    return macro, size.clip(min=0), (-size).clip(min=0), rng.normal(size=HAIR_MODES)


def align(shapes: Tensor, reference: Tensor, chosen: Tensor) -> Tensor:
    """Move, turn and scale shapes [batch, v, 3] so that their chosen vertices [k] lie best on the
    reference's (Umeyama, "Least-squares estimation of transformation parameters between two point
    patterns", 1991)."""
    goal = reference[chosen]
    goal = goal - goal.mean(0)
    center = shapes[:, chosen].mean(1, keepdim=True)
    centered = shapes[:, chosen] - center
    u, _, vt = torch.linalg.svd(centered.transpose(1, 2) @ goal)
    flip = torch.ones(len(shapes), 3, dtype=shapes.dtype)
    flip[:, 2] = torch.linalg.det(u @ vt).sign()
    rotation = (u * flip[:, None]) @ vt
    turned = centered @ rotation
    scale = (turned * goal).sum((1, 2)) / turned.square().sum((1, 2))
    return ((shapes - center) @ rotation) * scale[:, None, None] + reference[chosen].mean(0)


def to_world(points: Tensor) -> Tensor:
    """Decimetres of the base mesh -> camera radii around the origin."""
    return (points - points.new_tensor(CENTER)) * SCALE


def neck_pull(base_height: Tensor) -> Tensor:
    """How firmly vertices at these heights of the base mesh [v], dm, are held by the neck's end: 1
    at the rim, 0 from the jaw upwards."""
    return ((NECK + 0.45 - base_height) / 0.45).clamp(0, 1) ** 2


def flatten_neck(points: Tensor, pull: Tensor) -> Tensor:
    """Pull the lowest part of necks [batch, v, 3] down so that their rim lies at FLOOR."""
    height = points[..., 1] + pull * (FLOOR - points[..., 1])
    return torch.stack([points[..., 0], height, points[..., 2]], -1)


def grow_hair(points: Tensor, triangles: Tensor, layers: Tensor, modes: Tensor) -> Tensor:
    """Lift the scalp of shapes [batch, v, 3] along its normals: layers [1 + HAIR_MODES, v] (mean
    thickness, then how each mode changes its logarithm), modes [batch, HAIR_MODES]."""
    thickness = layers[0] * (modes @ layers[1:]).clamp(-1.5, 1.2).exp()
    return points + thickness[..., None] * vertex_normals(points, triangles)


@dataclass(frozen=True, slots=True)
class ShapeLaw:
    """What turns a random person into a mesh: base [base, 3], its plan, chosen [k] vertices for the
    alignment, hair layers [5, v]."""

    base: Tensor
    plan: Plan
    chosen: Tensor
    hair: Tensor

    @property
    def pull(self) -> Tensor:
        """`neck_pull` at the vertices of the mesh."""
        return neck_pull(self.plan.apply(self.base[None], curved=True)[0, :, 1])

    def mesh(self, base_shapes: Tensor, modes: Tensor) -> Tensor:
        """Base shapes [batch, base, 3] in dm and hair modes -> aligned, refined meshes [batch, v,
        3] in camera radii."""
        aligned = align(base_shapes, self.base, self.chosen)
        points = self.plan.apply(aligned, curved=True)
        points = grow_hair(points, self.plan.triangles, self.hair, modes)
        return flatten_neck(to_world(points), self.pull)


def random_shapes(law: ShapeLaw, targets: Targets, seed: int, count: int) -> Tensor:
    """Meshes of `count` random persons: [count, v, 3]."""
    blocks = []
    for start in range(0, count, 50):
        people = [random_person(targets, seed, i) for i in range(start, min(start + 50, count))]
        macro, positive, negative, modes = (
            torch.from_numpy(np.stack(w)).float() for w in zip(*people, strict=True)
        )
        moved = macro @ targets.macro + positive @ targets.positive + negative @ targets.negative
        blocks.append(law.mesh(law.base + moved.view(len(people), -1, 3), modes))
    return torch.cat(blocks)


def principal_components(shapes: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Mean [v, 3], components [count, v, 3] scaled so that coefficients are N(0, 1), and the share
    of variance that the first 1, 2, ... components explain [count]."""
    mean = shapes.mean(0)
    flat = (shapes - mean).flatten(1)
    gram = (flat @ flat.T).double()
    values, vectors = torch.linalg.eigh(gram)
    order = torch.arange(len(shapes) - 1, len(shapes) - 1 - count, -1)
    values = values.clamp(min=0)
    components = vectors[:, order].float().T @ flat / (len(shapes) - 1) ** 0.5
    peak = components.flatten(1).abs().argmax(1, keepdim=True)
    components = components * components.flatten(1).gather(1, peak).sign()
    explained = values[order].cumsum(0) / values.sum()
    return mean, components.view(count, *mean.shape), explained


def expression_units(asset: HeadAsset, law: ShapeLaw) -> Mapping[str, Tensor]:
    """Displacements [v, 3] in camera radii of the expression units that move a vertex of the mesh;
    the end of the neck stays where it is."""
    found: dict[str, Tensor] = {}
    free = 1 - law.pull[:, None]
    for name, moved in asset.expressions(len(law.base)).items():
        unit = law.plan.apply(torch.from_numpy(moved).float()[None])[0] * SCALE * free
        if unit.abs().max() > 1e-5:
            found[name] = unit
    return found
