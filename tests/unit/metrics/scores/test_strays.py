"""Specks against shapes whose parts are known."""

import numpy as np
import pytest
import torch

from gof.fields.analytic import Ellipsoid, sphere
from gof.geometry.cameras import camera_rays
from gof.geometry.settings import Camera
from gof.metrics.scores import strays
from gof.rendering.interface import RenderSettings
from gof.rendering.settings import Sampling
from gof.shapes.sparse_grid import Grid
from tests.unit.hard_fields import Union

GRID = Grid(48, 0.24)
SETTINGS = RenderSettings.of("occupancy", Sampling(), 0.05, (Camera(), (1.0, 1.0, 1.0)))


def brute(inside: np.ndarray) -> np.ndarray:
    """The largest part, grown from every point in turn."""
    left, best = inside.copy(), np.zeros_like(inside)
    for start in np.argwhere(inside):
        if not left[tuple(start)]:
            continue
        part, edge = np.zeros_like(inside), [tuple(start)]
        part[tuple(start)] = True
        while edge:
            at = np.array(edge.pop())
            for step in np.ndindex(3, 3, 3):
                to = at + np.array(step) - 1
                there = (to >= 0).all() and (to < len(inside)).all()
                if there and left[tuple(to)] and not part[tuple(to)]:
                    part[tuple(to)] = True
                    edge.append(tuple(to))
        left &= ~part
        best = part if part.sum() > best.sum() else best
    return best


@pytest.mark.parametrize("seed", range(4))
def test_the_largest_part_is_that_of_a_flood_fill(seed) -> None:
    inside = np.random.default_rng(seed).random((7, 7, 7)) < 0.12
    found = strays.largest(inside)
    assert found.sum() == brute(inside).sum()
    assert not (found & ~inside).any()


def test_where_nothing_is_nothing_is_largest() -> None:
    assert not strays.largest(np.zeros((4, 4, 4), bool)).any()


def test_shares_of_two_balls_are_those_of_their_sections_and_volumes() -> None:
    both = Union(sphere(0.05), Ellipsoid((0.015,) * 3, centre=(0.085, 0.0, 0.0)))
    inside = strays.occupied(both, GRID, 0.0)
    part = strays.largest(inside)
    ratio = (0.015 / 0.05) ** 3
    assert (inside & ~part).sum() / inside.sum() == pytest.approx(ratio / (1 + ratio), rel=0.1)
    met = strays.crossings(both, camera_rays(torch.zeros(1, 2), 96, 12.0), SETTINGS, 36)
    far = strays.beside(met.numpy(), part, GRID)
    section = 0.3**2
    assert far.mean() == pytest.approx(section / (1 + section), rel=0.1)
    assert (far == (met[:, 0] > 0.06).numpy()).all()


def test_what_nearly_touches_belongs_and_what_no_point_falls_into_does_not() -> None:
    ball = sphere(0.05)
    part = strays.largest(strays.occupied(ball, GRID, 0.0))
    places = np.array([[0.05, 0, 0], [0.05 + GRID.spacing, 0, 0], [0.05 + 5 * GRID.spacing, 0, 0]])
    assert strays.beside(places, part, GRID).tolist() == [False, False, True]
    assert strays.beside(np.array([[9.0, 0, 0]]), part, GRID).tolist() == [True]
