import math

import numpy as np
import pytest
import torch

from gof import sparse_grid
from gof.config import FieldNetwork
from gof.fields import Field
from gof.fields.analytic import Ellipsoid, sphere
from gof.generator import Generator
from gof.meshing import extract
from gof.sparse_grid import Grid, sample_grid

from .shapes import Bent, Hollow, Needle, Plate, Rod, Union, dense


def bumpy() -> Field:
    """A network as it is before training: a bumpy head-sized body."""
    generator = Generator(FieldNetwork(layers=3, width=32, logit_scale=4.0))
    generator.reset(0)
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        return generator.bind(generator.style(torch.randn(1, 64, generator=draw)))


SPACING = Grid(97, 0.3).spacing
FIELDS = {
    "sphere": sphere(0.1),
    "ellipsoid": Ellipsoid((0.13, 0.06, 0.09), (0.01, 0.02, -0.02)),
    "two": Union(sphere(0.06), Ellipsoid((0.012, 0.012, 0.012), (0.12, 0.1, 0.1))),
    "hollow": Hollow(),
    "bent": Bent(),
    "needle": Needle(),
    "network": bumpy(),
    # As thin as the docstring lets it be: some points of the grid of twice the spacing are inside.
    "plate": Plate(1.1 * SPACING, 2 * SPACING),
    "rod": Rod(1.5 * SPACING),
}


@pytest.mark.parametrize("n", [97, 128])
@pytest.mark.parametrize("name", FIELDS)
@torch.no_grad()
def test_few_points_give_the_signs_and_the_crossings_of_all(name: str, n: int, monkeypatch) -> None:
    monkeypatch.setattr(sparse_grid, "COARSE", 16)  # three levels
    grid, field = Grid(n, 0.3), FIELDS[name]
    found = sample_grid(field, grid, 0.0)
    values, truth = found.values.numpy(), dense(field, grid)
    assert found.evaluated < 0.3 * n**3
    assert np.array_equal(values >= 0, truth >= 0)
    # Every point beside a change of sign, which is what marching cubes interpolates, is exact.
    for axis in range(3):
        crosses = np.diff((truth >= 0).astype(np.int8), axis=axis) != 0
        for ends in (slice(None, -1), slice(1, None)):
            pick = tuple(ends if i == axis else slice(None) for i in range(3))
            np.testing.assert_allclose(values[pick][crosses], truth[pick][crosses], atol=1e-3)


@pytest.mark.parametrize("name", ["bent", "network", "hollow"])
@torch.no_grad()
def test_the_mesh_is_that_of_the_dense_grid(name: str, monkeypatch) -> None:
    grid = Grid(96, 0.3)
    few = extract(FIELDS[name], grid, 0.0)
    monkeypatch.setattr(sparse_grid, "COARSE", 96)  # no level but the finest
    full = extract(FIELDS[name], grid, 0.0)
    assert few is not None and full is not None
    assert full.evaluated == 1 and few.evaluated < 0.4
    assert np.array_equal(few.faces, full.faces) and few.components == full.components
    assert np.abs(few.vertices - full.vertices).max() < 0.01 * grid.spacing


def test_cost_grows_with_the_surface() -> None:
    sizes = (64, 128, 256)
    for field, share in ((sphere(0.08), 0.04), (Bent(), 0.06)):
        counts = [sample_grid(field, Grid(n, 0.3), 0.0).evaluated for n in sizes]
        assert counts[-1] < share * sizes[-1] ** 3
        slope = math.log(counts[-1] / counts[0]) / math.log(sizes[-1] / sizes[0])
        assert 1.2 < slope < 2.3


def test_the_guard_follows_slopes() -> None:
    """A ball that holds no point of the coarsest grid is found by how the field falls about it."""
    grid = Grid(129, 0.3)
    edge = grid.side / sparse_grid.COARSE
    small = Ellipsoid((0.45 * edge,) * 3, (0.06 + edge / 2, 0.06 + edge / 2, 0.06 + edge / 2))
    found = sample_grid(Union(sphere(0.03), small), grid, 0.0).values
    assert np.array_equal((found >= 0).numpy(), dense(Union(sphere(0.03), small), grid) >= 0)


@pytest.mark.parametrize("n", [2, 17, 33])
def test_small_grids_are_evaluated_whole(n: int) -> None:
    grid = Grid(n, 0.3)
    found = sample_grid(sphere(0.1), grid, 0.5)
    assert found.evaluated == n**3
    np.testing.assert_allclose(found.values.numpy(), dense(sphere(0.1), grid) - 0.5, atol=1e-4)
