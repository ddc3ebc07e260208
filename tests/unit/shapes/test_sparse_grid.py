import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from gof.fields.analytic import Ellipsoid, sphere
from gof.fields.field import Field
from gof.shapes.sparse_grid import CORNERS, Crossed, Grid, crossed_cells
from tests.unit.hard_fields import Bent, Carved, Hollow, Needle, Thin, Union, bumpy, dense

FIELDS = {
    "sphere": sphere(0.1),
    "ellipsoid": Ellipsoid((0.13, 0.06, 0.09), (0.01, 0.02, -0.02)),
    "two": Union(sphere(0.06), Ellipsoid((0.02, 0.02, 0.02), (0.12, 0.1, 0.1))),
    "hollow": Hollow(),
    "bent": Bent(),
    "needle": Needle(),
    "network": bumpy(0),
    "cut by the border": Ellipsoid((0.13, 0.1, 0.1), (0.1, 0.05, 0.0)),
    "all inside": sphere(0.4),
}


def crossed_by_all(field: Field, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """The same from all points: lowest corners [3, c] in order, and the values, free around."""
    values = np.pad(dense(field, grid), 1, constant_values=-np.inf)
    cells = np.indices((grid.n + 1,) * 3).reshape(3, -1)
    positive = np.stack([values[tuple(cells + corner[:, None])] >= 0 for corner in CORNERS])
    return cells[:, positive.any(0) & ~positive.all(0)] - 1, values


def in_order(cells: Crossed) -> np.ndarray:
    return cells.index[:, np.lexsort(cells.index[::-1])]


@pytest.mark.parametrize("n", [61, 100, 128])
@pytest.mark.parametrize("name", FIELDS)
@torch.no_grad()
def test_few_points_find_the_cells_that_all_find(name: str, n: int) -> None:
    grid, field = Grid(n, 0.3), FIELDS[name]
    found = crossed_cells(field, grid, 0.0)
    truth, values = crossed_by_all(field, grid)
    assert np.array_equal(in_order(found), truth)
    assert found.evaluated < {61: 0.75, 100: 0.45, 128: 0.3}[n] * n**3
    corners = found.index[:, None] + CORNERS.T[..., None]
    at = values[tuple(corners + 1)]
    inside = np.isfinite(at)
    # Products of other batches may round otherwise in the last place.
    np.testing.assert_allclose(found.values[found.rows][inside], at[inside], rtol=1e-5, atol=1e-6)
    outside = found.values[found.rows][~inside]
    assert (outside <= -10 * np.abs(at[inside]).max()).all()
    assert np.array_equal(found.pattern, ((at >= 0).T @ 2 ** np.arange(8)).astype(np.uint8))


@pytest.mark.parametrize("kind", ["ball", "rod", "plate"])
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("where", ["alone", "carved", "beside"])
@torch.no_grad()
def test_what_lies_between_coarse_points_is_found(kind: str, turned: bool, where: str) -> None:
    """Parts of hardly any thickness at points of the finest level alone, and parts as thin as its
    cells in any place and direction."""
    grid, draw = Grid(100, 0.3), torch.Generator().manual_seed(0)
    stride = 4  # from the finest level to the one that is evaluated everywhere
    for _ in range(4):
        corner = stride * torch.randint(9, 15, (3,), generator=draw) - 1
        within = 1 + (stride - 2) * torch.rand(3, generator=draw)
        frame, radius = torch.linalg.qr(torch.randn(3, 3, generator=draw))[0], 0.87
        if not turned:
            frame, radius = torch.eye(3)[torch.randperm(3, generator=draw)], 0.01
            within = torch.randint(1, stride, (3,), generator=draw)
        thin = Thin(kind, radius * grid.spacing, grid.points(corner + within), frame)
        beside = Union(thin, Ellipsoid((0.03, 0.03, 0.03), (0.11, 0.11, 0.11)))
        field = {"alone": thin, "carved": Carved(thin), "beside": beside}[where]
        truth, _ = crossed_by_all(field, grid)
        if not turned:
            part = dense(thin, grid) >= 0
            assert part.any() and not part[(slice(stride - 1, None, stride),) * 3].any()
        assert np.array_equal(in_order(crossed_cells(field, grid, 0.0)), truth)


@pytest.mark.parametrize("name", ["sphere", "bent", "network"])
def test_evaluations_grow_with_the_surface(name: str) -> None:
    sizes = (64, 128, 256)
    counts = [crossed_cells(FIELDS[name], Grid(n, 0.3), 0.0).evaluated for n in sizes]
    slopes = [math.log2(more / less) for less, more in pairwise(counts)]
    assert max(slopes) <= 2.3
    assert counts[-1] / sizes[-1] ** 3 < 0.06


@pytest.mark.parametrize("n", [2, 17, 33])
def test_small_grids_are_evaluated_whole_and_once(n: int) -> None:
    assert crossed_cells(sphere(0.1), Grid(n, 0.3), 0.5).evaluated == n**3


def test_no_surface_is_no_cells() -> None:
    found = crossed_cells(Ellipsoid((0.01, 0.01, 0.01), (5.0, 0.0, 0.0)), Grid(64, 0.3), 0.0)
    assert found.index.shape == (3, 0) and found.rows.shape == (8, 0) and found.evaluated < 64**3


class Elsewhere(Field):
    """A field on another device, which takes no points but those that are there too."""

    def logits(self, points):
        assert points.is_meta
        return -torch.ones(points.shape[:-1])

    def radiance(self, points, directions):
        raise NotImplementedError


def test_a_field_is_asked_on_its_own_device() -> None:
    """What no machine without a GPU shows by itself: meshes of a generator that is on one."""
    assert not crossed_cells(Elsewhere(), Grid(30, 0.3, "meta"), 0.0).index.size
