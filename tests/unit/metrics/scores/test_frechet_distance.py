import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch import Tensor

from gof.metrics.scores.frechet_distance import ROWS, frechet_distance, kernel_distance
from gof.run.files import InputError


def normal(seed: int, n: int, d: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator, dtype=torch.float64)


def by_square_root(a: Tensor, b: Tensor) -> float:
    ca, cb = (np.cov(x.numpy(), rowvar=False) for x in (a, b))
    gap = (a.mean(0) - b.mean(0)).square().sum()
    return float(gap + np.trace(ca) + np.trace(cb) - 2 * np.trace(np.real(sqrtm(ca @ cb))))


def test_equal_covariances_leave_the_distance_of_the_means() -> None:
    a, shift = normal(0, 50, 6), torch.arange(6.0)
    assert frechet_distance(a, a + shift) == pytest.approx(float(shift.square().sum()), rel=1e-9)
    wide = normal(0, 20, 300)
    shift = torch.linspace(0, 1, 300, dtype=torch.float64)
    assert frechet_distance(wide, wide + shift) == pytest.approx(
        float(shift.square().sum()), rel=1e-9
    )


def test_diagonal_covariances() -> None:
    # Orthonormal columns of mean 0, scaled: the covariance is the identity, exactly.
    n, d = 16, 5
    q = torch.linalg.qr(torch.cat([torch.ones(n, 1), normal(1, n, n - 1)], 1).double()).Q
    unit = q[:, 1 : d + 1] * (n - 1) ** 0.5
    sa, sb = torch.rand(2, d, generator=torch.Generator().manual_seed(2), dtype=torch.float64) + 0.1
    expected = float((sa - sb).square().sum())
    assert frechet_distance(unit * sa, unit * sb) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("seed", range(10))
def test_agrees_with_the_matrix_square_root(seed: int) -> None:
    mix = normal(seed, 12, 12)
    a, b = normal(100 + seed, 60, 12) @ mix, normal(200 + seed, 40, 12) + 0.5
    assert frechet_distance(a, b) == pytest.approx(by_square_root(a, b), rel=1e-6)


def test_fewer_samples_than_dimensions_agree_with_an_embedding() -> None:
    # Features on a 7-dimensional subspace of 200 dimensions have the distance they have inside it.
    basis = torch.linalg.qr(normal(3, 200, 7)).Q
    a, b = normal(4, 30, 7), 2 * normal(5, 25, 7) + 1
    inside = frechet_distance(a, b)
    assert frechet_distance(a @ basis.T, b @ basis.T) == pytest.approx(inside, rel=1e-9)
    assert inside == pytest.approx(by_square_root(a, b), rel=1e-6)


def test_identity_symmetry_and_order() -> None:
    a, b = normal(6, 30, 100), normal(7, 45, 100) * 1.5
    assert frechet_distance(a, a) <= 1e-6
    assert frechet_distance(a, a[torch.randperm(30)]) <= 1e-6
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-12)


def test_sets_that_have_no_covariance_are_refused() -> None:
    with pytest.raises(InputError, match="1 image"):
        frechet_distance(normal(0, 1, 4), normal(1, 9, 4))
    bad = normal(0, 9, 4)
    bad[3, 2] = torch.nan
    with pytest.raises(InputError, match="not finite"):
        frechet_distance(normal(1, 9, 4), bad)


def by_all_pairs(a: Tensor, b: Tensor) -> float:
    def kernel(x: Tensor, y: Tensor) -> float:
        return (float(x @ y) / len(x) + 1) ** 3

    n, m = len(a), len(b)
    one = sum(kernel(a[i], a[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    two = sum(kernel(b[i], b[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return one + two - 2 * sum(kernel(x, y) for x in a for y in b) / (n * m)


def test_kernel_distance_is_that_of_all_pairs() -> None:
    a, b = normal(1, 9, 5), normal(2, 7, 5) + 0.3
    assert kernel_distance(a, b) == pytest.approx(by_all_pairs(a, b), rel=1e-12)


def test_kernel_distance_of_one_distribution_is_about_0() -> None:
    a, b = normal(3, ROWS + 500, 20), normal(4, ROWS + 300, 20)
    assert abs(kernel_distance(a, b)) < 0.01 < kernel_distance(a, b + 0.3)
    with pytest.raises(InputError, match="Kernel distance: 1 image"):
        kernel_distance(a[:1], b)
