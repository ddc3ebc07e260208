"""Against NumPy's sine in float64 of the same float32 arguments. Tolerance: three roundings of
float32 near 1."""

import numpy as np
import pytest
import torch

from gof.fields.kernels import sine
from gof.fields.kernels.sine import sine_, sine_and_slope_


def arguments(rows: int, width: int, turns: float) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(rows)
    x = turns * (2 * torch.rand(3, rows, width, generator=draw) - 1)
    return x, turns * torch.randn(3, 1, width, generator=draw)


@pytest.mark.parametrize("turns", [0.3, 5.0, 200.0])
@pytest.mark.parametrize(("rows", "width"), [(0, 8), (1, 1), (7, 13), (300, 64)])
def test_sine_and_slope(rows, width, turns) -> None:
    x, bias = arguments(rows, width, turns)
    angle = 2 * np.pi * (x + bias).double().numpy()
    alone, slope, both = x.clone(), x.clone(), torch.empty_like(x)
    assert sine_(alone, bias) is alone
    assert sine_and_slope_(slope, bias, both) is both
    assert torch.equal(alone, both)
    np.testing.assert_allclose(both.numpy(), np.sin(angle), rtol=0, atol=3e-7)
    np.testing.assert_allclose(slope.numpy(), 2 * np.pi * np.cos(angle), rtol=0, atol=2e-6)


def test_other_numbers_take_torch() -> None:
    x, bias = (t.double() for t in arguments(9, 5, 3.0))
    angle = 2 * torch.pi * (x + bias)
    slope = x.clone()
    torch.testing.assert_close(sine_and_slope_(slope, bias, torch.empty_like(x)), angle.sin())
    torch.testing.assert_close(slope, 2 * torch.pi * angle.cos())
    torch.testing.assert_close(sine_(x.clone(), bias), angle.sin())


def test_quarters_are_exact() -> None:
    """Where the cosine turns its sign, and where the sine is largest."""
    x = torch.tensor([[[0.0, 0.25, 0.5, 0.75, 1.0, -0.25, -0.5, 4.25, 1e6]]])
    slope = x.clone()
    found = sine_and_slope_(slope, torch.zeros(1, 1, 9), torch.empty_like(x))
    expected = torch.tensor([[[0.0, 1, 0, -1, 0, -1, 0, 1, 0]]])
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-7)
    assert found.abs().max() <= 1 + 2e-7
    expected = torch.tensor([[[1.0, 0, -1, 0, 1, 0, -1, 0, 1]]])
    torch.testing.assert_close(slope, 2 * torch.pi * expected, rtol=0, atol=1e-6)


def test_polynomial_adds_less_than_rounding() -> None:
    z = np.linspace(0, 0.25, 20001)
    odd = np.stack([z ** (2 * k + 1) for k in range(5)], -1)
    coefficients = np.array([sine.C1, sine.C3, sine.C5, sine.C7, sine.C9], np.float64)
    error = odd @ coefficients - np.sin(2 * np.pi * z)
    assert np.abs(error).max() < np.finfo(np.float32).eps / 2
