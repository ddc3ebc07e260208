"""Images at other sizes, and blurred."""

import pytest
import torch

from gof.geometry.images import blur


def test_blur_keeps_a_constant_and_the_sum() -> None:
    images = torch.zeros(1, 3, 16, 16)
    images[:, :, 8, 8] = 1
    blurred = blur(images, 2.0, 2)
    torch.testing.assert_close(blurred.sum((2, 3)), torch.ones(1, 3))
    torch.testing.assert_close(blur(torch.ones(2, 3, 8, 8), 2.0, 2), torch.ones(2, 3, 8, 8))


def test_blur_keeps_the_mean_and_has_the_stated_width() -> None:
    flat = torch.full((2, 3, 12, 12), 77.0, dtype=torch.float64)
    torch.testing.assert_close(blur(flat, 1.5, 4), flat)
    # A line of light becomes a Gaussian of that standard deviation.
    line = torch.zeros(1, 3, 41, 41, dtype=torch.float64)
    line[..., 20] = 255
    profile = blur(line, 2.0, 6)[0, 1, 20]
    x = torch.arange(41.0, dtype=torch.float64) - 20
    variance = (profile * x.square()).sum() / profile.sum()
    assert float(variance) == pytest.approx(4.0, rel=0.04)
