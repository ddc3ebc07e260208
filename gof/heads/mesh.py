"""The working mesh of a head: cut out of the base mesh, closed below the neck, refined where the
base mesh is coarse.

A `Plan` is made once, from the base mesh; `apply` repeats its steps for any shape with the same
topology. So all heads have the same triangles, and a statistical model can be computed over their
vertices.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gof.geometry.meshes import vertex_normals
from gof.heads.asset import BaseMesh

NECK = 5.86  # height of the cut on the base mesh, dm: just above the shoulders
EYES = (1, 2)  # parts
EDGE = 0.15  # longest edge of skin, dm
EDGE_BORDER = 0.045  # longest edge where hair meets skin, dm
EDGE_EYE = 0.03  # longest edge where iris and pupil meet, dm
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class EdgeSplit:
    """One round of refinement: edges [n, 2] that receive a vertex in their middle; triangles
    [faces, 3] before it."""

    edges: Tensor
    triangles: Tensor


@dataclass(frozen=True, slots=True)
class Plan:
    """kept [k]: vertices of the base mesh; cut [c, 2] and share [c]: edges that cross the neck
    plane, and where; rounds of refinement; rim [r]: vertices on the plane, copied for the floor;
    triangles [faces, 3] and part [faces] of the result."""

    kept: Tensor
    cut: Tensor
    share: Tensor
    rounds: tuple[EdgeSplit, ...]
    rim: Tensor
    triangles: Tensor
    part: Tensor

    def apply(self, values: Tensor, curved: bool = False) -> Tensor:
        """Values at base vertices [batch, base, channels] -> at mesh vertices [batch, v, channels].
        `curved`, for positions, lets new vertices rise above the flat triangles; otherwise they are
        means of their neighbours."""
        share = self.share.to(values.dtype)[:, None]
        low, high = values[:, self.cut[:, 0]], values[:, self.cut[:, 1]]
        points = torch.cat([values[:, self.kept], low + (high - low) * share], 1)
        for split in self.rounds:
            points = torch.cat([points, _midpoints(points, split, curved)], 1)
        floor = points[:, self.rim]
        return torch.cat([points, floor, floor.mean(1, keepdim=True)], 1)


def _midpoints(points: Tensor, split: EdgeSplit, curved: bool) -> Tensor:
    """Middles of edges. Curved ones lie on the cubic boundary of a PN triangle (Vlachos et al.,
    "Curved PN triangles", 2001, sec. 3.1)."""
    a, b = points[:, split.edges[:, 0]], points[:, split.edges[:, 1]]
    middle = (a + b) / 2
    if not curved:
        return middle
    normals = vertex_normals(points, split.triangles)
    normal_a, normal_b = normals[:, split.edges[:, 0]], normals[:, split.edges[:, 1]]
    rise_a = ((b - a) * normal_a).sum(-1, keepdim=True) * normal_a
    rise_b = ((a - b) * normal_b).sum(-1, keepdim=True) * normal_b
    return middle - (rise_a + rise_b) / 8


def _extent(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared length of diagonals a-b [..., 3], biased so that equal diagonals are decided alike on
    the left and on the right."""
    slant = np.abs(a[..., 0]) * a[..., 1] + np.abs(b[..., 0]) * b[..., 1]
    return ((a - b) ** 2 * (1.0, 1.001, 1.003)).sum(-1) + 1e-4 * slant


def triangulate(vertices: np.ndarray, quads: np.ndarray) -> np.ndarray:
    """Quads [n, 4] -> triangles [2 n, 3] along the shorter diagonal, which keeps left and right
    alike."""
    a, b, c, d = vertices[quads].transpose(1, 0, 2)
    first = _extent(a, c) <= _extent(b, d)
    corners = np.where(first[:, None], [[0, 1, 2, 0, 2, 3]], [[1, 2, 3, 1, 3, 0]])
    return np.take_along_axis(quads, corners, 1).reshape(-1, 3)


def make_plan(base: BaseMesh) -> Plan:
    """Cut, close and refine the base mesh."""
    height = base.vertices[:, 1] - NECK
    triangles = triangulate(base.vertices, base.quads)
    part = base.part.repeat(2)
    clipped, part, cut = _clip(triangles, part, base.vertices)
    inside = np.unique(clipped[clipped < len(height)])
    order = np.concatenate([inside, np.arange(len(height), len(height) + len(cut))])
    compact = np.searchsorted(order, clipped)
    share = height[cut[:, 0]] / (height[cut[:, 0]] - height[cut[:, 1]])
    on_plane = np.concatenate([np.zeros(len(inside), bool), np.ones(len(cut), bool)])
    plan = Plan(
        torch.from_numpy(inside),
        torch.from_numpy(cut),
        torch.from_numpy(share),
        (),
        torch.zeros(0, dtype=torch.long),
        torch.from_numpy(compact),
        torch.from_numpy(part),
    )
    rounds, compact, part, on_plane = _refine(base, plan, on_plane)
    rim, floor = _floor(compact, on_plane)
    return Plan(
        plan.kept,
        plan.cut,
        plan.share,
        rounds,
        torch.from_numpy(rim),
        torch.from_numpy(np.concatenate([compact, floor])),
        torch.from_numpy(np.concatenate([part, np.zeros(len(floor), part.dtype)])),
    )


def _clip(
    triangles: np.ndarray, part: np.ndarray, points: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Keep what lies above NECK. Vertices made on edges [c, 2] are numbered after the old ones."""
    above = points[triangles, 1] >= NECK
    whole, crossing = above.all(1), above.any(1) & ~above.all(1)
    made: dict[tuple[int, int], int] = {}

    def on_edge(a: int, b: int) -> int:
        return made.setdefault((min(a, b), max(a, b)), len(points) + len(made))

    new, owner = [], []
    for index in crossing.nonzero()[0]:
        corners, flags = triangles[index].tolist(), above[index]
        alone = flags.sum() == 1
        odd = int((flags if alone else ~flags).argmax())
        a, b, c = corners[odd:] + corners[:odd]
        ab, ca = on_edge(a, b), on_edge(c, a)
        if alone:
            parts = [[a, ab, ca]]
        elif _extent(_crossing(points, a, b), points[c]) <= _extent(
            points[b], _crossing(points, c, a)
        ):
            parts = [[ab, b, c], [ab, c, ca]]
        else:
            parts = [[ab, b, ca], [b, c, ca]]
        new += parts
        owner += [part[index]] * len(parts)
    faces = np.concatenate([triangles[whole], np.array(new, dtype=int).reshape(-1, 3)])
    owners = np.concatenate([part[whole], np.array(owner, dtype=part.dtype)])
    return faces, owners, np.array(list(made), dtype=int).reshape(-1, 2)


def _crossing(points: np.ndarray, a: int, b: int) -> np.ndarray:
    """Where the edge a-b meets the neck plane."""
    share = (points[a, 1] - NECK) / (points[a, 1] - points[b, 1])
    return points[a] + (points[b] - points[a]) * share


def _edges(triangles: np.ndarray) -> np.ndarray:
    """Directed edges [3 n, 2]: all first edges, then all second, then all third."""
    return np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])


def _longest(middle: np.ndarray, is_eye: np.ndarray) -> np.ndarray:
    """Longest edge allowed where the middles of edges [n, 3] are: fine where colours change, on the
    front of the eyes, around the brows and along the hairline of the forehead."""
    x, y, z = np.abs(middle[:, 0]), middle[:, 1], middle[:, 2]
    brow = (z > 1.1) & (x < 0.68) & (y > 7.41) & (y < 7.62)
    hairline = (z > 0.75) & (y > 7.75) & (y < 8.2)
    longest = np.where(brow | hairline, EDGE_BORDER, EDGE)
    return np.where(is_eye & (z > 1.3), EDGE_EYE, longest)


def _refine(
    base: BaseMesh, plan: Plan, on_plane: np.ndarray
) -> tuple[tuple[EdgeSplit, ...], np.ndarray, np.ndarray, np.ndarray]:
    """Split long edges, a few rounds."""
    rounds: list[EdgeSplit] = []
    triangles, part = plan.triangles.numpy(), plan.part.numpy()
    points = plan.apply(torch.from_numpy(base.vertices)[None])[:, : len(on_plane)]
    for _ in range(ROUNDS):
        edges, inverse = np.unique(np.sort(_edges(triangles), 1), axis=0, return_inverse=True)
        is_eye = np.zeros(len(edges), bool)
        is_eye[inverse.reshape(3, -1)[:, np.isin(part, EYES)]] = True
        ends = points[0].numpy()[edges]
        length = np.linalg.norm(ends[:, 0] - ends[:, 1], axis=-1)
        long = length > _longest(ends.mean(1), is_eye)
        split = EdgeSplit(torch.from_numpy(edges[long]), torch.from_numpy(triangles))
        number = np.where(long, np.cumsum(long) - 1 + len(on_plane), -1)
        points = torch.cat([points, _midpoints(points, split, curved=True)], 1)
        on_plane = np.concatenate([on_plane, on_plane[edges[long]].all(1)])
        triangles, part = _divide(
            triangles, number[inverse].reshape(3, -1).T, part, points[0].numpy()
        )
        rounds.append(split)
    return tuple(rounds), triangles, part, on_plane


def _divide(
    triangles: np.ndarray, middle: np.ndarray, part: np.ndarray, points: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Divide triangles [n, 3] at the new vertices of their edges [n, 3] (-1 for none) into 1 to
    4."""
    new, owner = [], []
    for corners, made, own in zip(triangles.tolist(), middle.tolist(), part.tolist(), strict=True):
        parts = _divide_one(corners, made, points)
        new += parts
        owner += [own] * len(parts)
    return np.array(new), np.array(owner)


def _divide_one(corners: list[int], made: list[int], points: np.ndarray) -> list[list[int]]:
    count = sum(m >= 0 for m in made)
    if count == 0:
        return [corners]
    # turn the triangle so that its first edge is the only split one, or the only whole one
    turn = next(k for k in range(3) if (made[k] >= 0) == (count == 1)) if count < 3 else 0
    a, b, c = corners[turn:] + corners[:turn]
    ab, bc, ca = made[turn:] + made[:turn]
    if count == 1:
        return [[a, ab, c], [ab, b, c]]
    if count == 3:
        return [[a, ab, ca], [ab, b, bc], [ca, bc, c], [ab, bc, ca]]
    shorter = bool(_extent(points[a], points[bc]) <= _extent(points[b], points[ca]))
    rest = [[a, b, bc], [a, bc, ca]] if shorter else [[a, b, ca], [b, bc, ca]]
    return [*rest, [ca, bc, c]]


def _floor(triangles: np.ndarray, on_plane: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rim vertices in order of their number, and the triangles that close the neck between copies
    of them and a centre."""
    directed = {(a, b) for a, b in _edges(triangles).tolist() if on_plane[a] and on_plane[b]}
    border = sorted((a, b) for a, b in directed if (b, a) not in directed)
    rim = np.unique(np.array(border).ravel())
    copy = {vertex: len(on_plane) + i for i, vertex in enumerate(rim.tolist())}
    center = len(on_plane) + len(rim)
    return rim, np.array([[copy[b], copy[a], center] for a, b in border])
