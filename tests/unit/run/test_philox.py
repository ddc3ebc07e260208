"""Draws of a GPU, made without one."""

import numpy as np
import pytest
import torch

from gof.run.philox import _philox, normal

# What torch.randn is known to print on CUDA after torch.manual_seed(0).
PUBLISHED = (
    *(-0.92466259, -0.42534415, -2.6438457, 0.14518388, -0.12086647, -0.57972564),
    *(-0.62285122, -0.32838709, -1.07454231, -0.36314407, -1.67105067, 2.26550497),
)


def test_seed_0_gives_the_published_numbers() -> None:
    np.testing.assert_allclose(normal(0, 12), PUBLISHED, rtol=2e-6)


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [  # the known answers that the authors of Philox publish
        ([0] * 4, (0, 0), [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        (
            [0xFFFFFFFF] * 4,
            (0xFFFFFFFF, 0xFFFFFFFF),
            [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD],
        ),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            (0xA4093822, 0x299F31D0),
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_words_are_those_of_the_known_answers(counter, key, words) -> None:
    found = _philox(np.array(counter, np.uint64)[:, None], key)
    assert found[:, 0].tolist() == words


def test_draws_are_normal_and_do_not_depend_on_their_number() -> None:
    values = normal(3, 30_000)
    assert abs(values.mean()) < 0.02 and abs(values.std() - 1) < 0.02
    assert np.array_equal(normal(3, 256), values[:256])
    assert not np.array_equal(normal(3 + 2**32, 256), values[:256])
    with pytest.raises(ValueError, match="at most"):
        normal(0, 40_000)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_draws_the_same() -> None:
    for seed in (0, 7):
        torch.manual_seed(seed)
        theirs = torch.randn(1, 411, device="cuda")[0].cpu()
        np.testing.assert_allclose(normal(seed, 411), theirs, rtol=1e-5, atol=1e-6)
