import math

import numpy as np
import pytest
import torch

from gof.metrics.scores import control
from gof.morphable.model import HEAD_RADIUS


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_spread_is_the_population_deviation_averaged_over_dimensions() -> None:
    readings = torch.tensor([[[0.0, 1.0], [2.0, 1.0]], [[0.0, 0.0], [4.0, 6.0]]])
    assert control.spread(readings).tolist() == [0.5, 2.5]
    draws = normal(3, 7, 5)
    expected = draws.numpy().std(axis=1).mean(axis=-1)
    np.testing.assert_allclose(control.spread(draws), expected, rtol=1e-6)


def test_disentanglement_score_is_that_of_the_definition() -> None:
    spreads = {"shape": 0.6, "expression": 0.2, "pose": 0.1, "light": 0.3}
    for factor, own in spreads.items():
        others = math.prod(value for name, value in spreads.items() if name != factor)
        score = control.disentanglement_score(spreads, factor)
        assert score == pytest.approx(own**3 / others)
    # a factor that moves no more than the others: 1
    assert control.disentanglement_score(dict.fromkeys(spreads, 0.4), "pose") == pytest.approx(1)
    assert math.isfinite(control.disentanglement_score({**spreads, "light": 0.0}, "pose"))


def test_change_of_identity_is_brute_force() -> None:
    readings = normal(3, 5, 4)  # views, heads, coefficients
    same = [
        (readings[a, i] - readings[b, i]).norm()
        for i in range(5)
        for a in range(3)
        for b in range(3)
        if a != b
    ]
    other = [
        (readings[a, i] - readings[a, j]).norm()
        for a in range(3)
        for i in range(5)
        for j in range(5)
        if i != j
    ]
    expected = float(sum(same) / len(same) / (sum(other) / len(other)))
    assert control.change_of_identity(readings) == pytest.approx(expected, rel=1e-5)
    still = readings[:1].expand(3, -1, -1)
    assert control.change_of_identity(still) == pytest.approx(0, abs=1e-3)
    assert math.isfinite(control.change_of_identity(torch.zeros(2, 3, 4)))


def test_chamfer_is_brute_force_and_symmetric() -> None:
    a, b = normal(40, 3) * 0.05, normal(60, 3, seed=1) * 0.05
    apart = (a[:, None] - b[None]).norm(dim=-1).double()
    one_way = [apart.amin(k).square().mean().sqrt() for k in (1, 0)]
    expected = float(sum(one_way)) / 2 / HEAD_RADIUS
    assert control.chamfer(a, b) == pytest.approx(expected, rel=1e-5)
    assert control.chamfer(b, a) == pytest.approx(control.chamfer(a, b))
    assert control.chamfer(a, a) == 0


def test_chamfer_of_concentric_spheres_is_the_difference_of_their_radii() -> None:
    rows = torch.nn.functional.normalize(normal(20000, 3), dim=-1)
    # same directions, so that the nearest point is the one above
    assert control.chamfer(0.08 * rows, 0.0805 * rows) == pytest.approx(0.005, rel=0.02)


def test_chamfer_does_not_clip_what_is_far_away() -> None:
    a = normal(99, 3) * 0.001
    far = torch.cat([a, torch.tensor([[0.5, 0.0, 0.0]])])
    assert control.chamfer(far, a) == pytest.approx(0.5 / 0.1 / 10 / 2, rel=0.01)


def test_correlation_joins_all_points() -> None:
    a = normal(4, 51, 3)
    torch.testing.assert_close(control.correlation(a, 3 * a), torch.ones(4))
    torch.testing.assert_close(control.correlation(a, -a), -torch.ones(4))
    half = a.clone()
    half[:, 25:] = 0
    expected = half.flatten(1).norm(dim=1) / a.flatten(1).norm(dim=1)
    torch.testing.assert_close(control.correlation(a, half), expected)


def test_transfer_error_of_the_perfect_the_still_and_the_opposite() -> None:
    wanted = normal(4, 42, 2)
    assert control.transfer_error(wanted, wanted) == 0
    assert control.transfer_error(torch.zeros_like(wanted), wanted) == 1
    assert control.transfer_error(-wanted, wanted) == pytest.approx(2)
    assert len(control.MOVING) == 42 and set(control.MOVING) == {*range(17, 27), *range(36, 68)}


def test_filled_takes_the_nearest_pixel_and_leaves_the_known_alone() -> None:
    depth = normal(2, 9, 9)
    mask = torch.zeros(2, 9, 9, dtype=torch.bool)
    mask[0, 2:5, 3:7] = True
    found = control.filled(depth, mask)
    assert (found[0][mask[0]] == depth[0][mask[0]]).all()
    assert found[0, 0, 4] == depth[0, 2, 4] and found[0, 8, 8] == depth[0, 4, 6]
    assert (found[1] == depth[1]).all()  # nothing known


def test_median_closes_a_hole_and_is_that_of_the_neighbours() -> None:
    maps = normal(2, 6, 6)
    found = control.median(maps)
    padded = np.pad(maps.numpy(), ((0, 0), (1, 1), (1, 1)), mode="edge")
    for row in range(6):
        for column in range(6):
            expected = np.median(padded[:, row : row + 3, column : column + 3], axis=(1, 2))
            np.testing.assert_array_equal(found[:, row, column], expected)
    flat = torch.ones(1, 5, 5)
    flat[0, 2, 2] = 9
    assert (control.median(flat) == 1).all()
