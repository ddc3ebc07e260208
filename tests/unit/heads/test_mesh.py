"""Cutting, closing and refining, on a ball whose lower part the neck plane cuts off."""

import numpy as np
import pytest
import torch

from gof.geometry.meshes import vertex_normals
from gof.heads.asset import BaseMesh
from gof.heads.mesh import EDGE, NECK, make_plan, triangulate

CENTER = np.array([0.0, NECK + 0.3, 0.0])


def ball(rows=10, columns=16, radius=0.6) -> BaseMesh:
    """Quads of a ball with open poles replaced by tiny rings; left-right symmetric."""
    polar = np.linspace(0.01, np.pi - 0.01, rows + 1)
    turn = np.arange(columns) / columns * 2 * np.pi
    p, t = np.meshgrid(polar, turn, indexing="ij")
    unit = np.stack([np.sin(p) * np.sin(t), np.cos(p), np.sin(p) * np.cos(t)], -1)
    points = unit.reshape(-1, 3) * radius + CENTER
    corner = np.arange(rows * columns).reshape(rows, columns)
    beside = np.roll(corner, -1, 1)
    quads = np.stack([corner, corner + columns, beside + columns, beside], -1).reshape(-1, 4)
    grid = np.arange(len(points)).reshape(rows + 1, columns)
    mirror = np.roll(grid[:, ::-1], 1, 1).ravel()
    assert np.allclose(points[mirror] * (-1, 1, 1), points)
    return BaseMesh(points, np.zeros((len(points), 2)), quads, np.zeros(len(quads), int), mirror)


@pytest.fixture(scope="module")
def made():
    base = ball()
    plan = make_plan(base)
    return base, plan, plan.apply(torch.from_numpy(base.vertices)[None], curved=True)[0]


def edges_of(triangles):
    return torch.cat([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])


def test_cut_is_plane_and_nothing_hangs_below(made):
    _, plan, points = made
    assert points[:, 1].min() > NECK - 1e-3
    straight = plan.apply(torch.from_numpy(made[0].vertices)[None])[0]
    torch.testing.assert_close(
        straight[plan.rim, 1], torch.full((len(plan.rim),), NECK).double(), atol=1e-6, rtol=0
    )


def test_result_is_closed(made):
    """Once the floor's copies are the rim again, each edge has its opposite, but for the pole."""
    _, plan, points = made
    place = torch.arange(len(points))
    first = len(points) - len(plan.rim) - 1
    place[first:-1] = plan.rim
    directed = {tuple(e) for e in edges_of(place[plan.triangles]).tolist()}
    lonely = [e for e in directed if e[::-1] not in directed]
    top = points[[e[0] for e in lonely], 1]
    assert (top > CENTER[1] + 0.59).all()  # the ring around the upper pole


def test_volume_is_that_of_the_cut_ball(made):
    _, plan, points = made
    a, b, c = (points[plan.triangles[:, k]] - torch.from_numpy(CENTER) for k in range(3))
    volume = float((a * torch.linalg.cross(b, c)).sum() / 6)
    height = 0.6 - 0.3
    exact = 4 / 3 * np.pi * 0.6**3 - np.pi * height**2 * (3 * 0.6 - height) / 3
    assert abs(volume / exact - 1) < 0.02


def test_long_edges_are_split_and_new_vertices_lie_on_the_ball(made):
    base, plan, points = made
    edges = edges_of(plan.triangles[: len(plan.part[plan.part == 0]) - len(plan.rim)])
    body = edges[(edges < len(points) - len(plan.rim) - 1).all(1)]
    length = (points[body[:, 0]] - points[body[:, 1]]).norm(dim=-1)
    before = base.vertices[triangulate(base.vertices, base.quads)]
    assert np.linalg.norm(before[:, 0] - before[:, 2], axis=-1).max() > 1.5 * EDGE
    assert length.max() < 1.01 * EDGE
    inner = slice(len(plan.kept) + len(plan.cut), len(points) - len(plan.rim) - 1)
    flat = plan.apply(torch.from_numpy(base.vertices)[None])[0]
    off = [(p[inner] - torch.from_numpy(CENTER)).norm(dim=-1) - 0.6 for p in (points, flat)]
    assert off[0].abs().mean() < 0.2 * off[1].abs().mean()


def test_left_and_right_stay_alike(made):
    points = made[2].numpy()
    gap = np.linalg.norm(points[:, None] * (-1, 1, 1) - points[None], axis=-1).min(1)
    assert gap.max() < 1e-9


def test_values_are_carried_linearly(made):
    """A linear function of position stays one at new vertices when they do not curve."""
    base, plan, _ = made
    value = base.vertices @ np.array([[1.0], [-2.0], [0.5]])
    carried = plan.apply(torch.from_numpy(value)[None])[0, :, 0]
    flat = plan.apply(torch.from_numpy(base.vertices)[None])[0]
    torch.testing.assert_close(carried, flat @ torch.tensor([1.0, -2.0, 0.5]).double())


def test_normals_point_outward(made):
    _, plan, points = made
    normals = vertex_normals(points[None], plan.triangles)[0]
    outward = torch.nn.functional.normalize(points - torch.from_numpy(CENTER), dim=-1)
    rim_and_floor = len(points) - 2 * len(plan.rim) - 1
    body = [i for i in range(rim_and_floor) if points[i, 1] > NECK + 0.05]
    assert ((normals * outward).sum(-1)[body] > 0.97).all()
    torch.testing.assert_close(normals.norm(dim=-1), torch.ones(len(points)).double())
    assert normals[-1, 1] < -0.99  # the floor looks down


def test_quads_split_along_the_shorter_diagonal():
    points = np.array([[0.0, 0, 0], [2, 0, 0], [2, 1, 0], [-1, 1, 0]])
    found = triangulate(points, np.array([[0, 1, 2, 3]]))
    assert sorted(map(sorted, found.tolist())) == [[0, 1, 2], [0, 2, 3]]
    found = triangulate(points[[1, 2, 3, 0]], np.array([[0, 1, 2, 3]]))
    assert sorted(map(sorted, found.tolist())) == [[0, 1, 3], [1, 2, 3]]
