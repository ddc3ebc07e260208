"""Curvature and geodesics against closed forms."""

import numpy as np
import pytest
import trimesh

from gof.metrics.scores.mesh_geometry import geodesic_distance, mean_curvature, vertex_areas


def ellipsoid(*axes: float) -> tuple[np.ndarray, np.ndarray]:
    ball = trimesh.creation.icosphere(subdivisions=4)
    return np.array(ball.vertices) * axes, np.array(ball.faces).astype(np.int64)


@pytest.mark.parametrize("radius", [0.08, 3.0])
def test_both_are_one_for_a_sphere_of_any_size(radius) -> None:
    vertices, faces = ellipsoid(radius, radius, radius)
    assert vertex_areas(vertices, faces).sum() == pytest.approx(4 * np.pi * radius**2, rel=0.01)
    assert mean_curvature(vertices, faces) == pytest.approx(1, rel=0.04)
    assert geodesic_distance(vertices, faces, np.arange(0, 2500, 500)) == pytest.approx(1, rel=0.02)


def test_curvature_of_an_ellipsoid_is_that_of_the_formula() -> None:
    axes = np.array([0.1, 0.06, 0.05])
    vertices, faces = ellipsoid(*axes)
    normal = (vertices**2 / axes**4).sum(1)
    exact = ((axes**2).sum() - (vertices**2).sum(1)) / (2 * axes.prod() ** 2 * normal**1.5)
    area = vertex_areas(vertices, faces)
    wanted = np.average(exact, weights=area) * np.sqrt(area.sum() / (4 * np.pi))
    assert mean_curvature(vertices, faces) == pytest.approx(wanted, rel=0.04)


def test_distances_on_a_long_body_are_those_along_its_meridian() -> None:
    """From the pole of a spheroid every way is a meridian, whose length is an integral."""
    vertices, faces = ellipsoid(0.03, 0.03, 0.09)
    pole = np.array([vertices[:, 2].argmax()])
    angle = np.linspace(0, np.pi, 20001)
    step = np.hypot(0.03 * np.cos(angle), 0.09 * np.sin(angle)) * angle[1]
    length = np.concatenate([[0], np.cumsum((step[1:] + step[:-1]) / 2)])
    ring = 0.03 * np.sin(angle) * step  # area, but for a factor
    area = vertex_areas(vertices, faces).sum()
    wanted = np.average(length, weights=ring) / (np.pi / 2 * np.sqrt(area / (4 * np.pi)))
    assert geodesic_distance(vertices, faces, pole) == pytest.approx(wanted, rel=0.03)


def test_a_rough_ball_is_more_curved() -> None:
    ball = ellipsoid(1, 1, 1)
    rough = ball[0] * (1 + 0.02 * np.random.default_rng(0).normal(size=(len(ball[0]), 1)))
    assert mean_curvature(rough, ball[1]) > 1.5
