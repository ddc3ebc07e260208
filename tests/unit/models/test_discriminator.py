import pytest
import torch

from gof.models.discriminator import Discriminator
from gof.models.settings import DiscriminatorNetwork


def grown(resolution: int) -> Discriminator:
    network = Discriminator(DiscriminatorNetwork(channel_base=64, channel_max=16))
    network.grow(resolution, seed=0)
    return network


def images(n: int, resolution: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, 3, resolution, resolution, generator=torch.Generator().manual_seed(seed))


def test_shapes_at_every_resolution() -> None:
    for resolution in (4, 8, 32):
        scores, poses = grown(resolution)(images(8, resolution))
        assert scores.shape == (8,) and poses.shape == (8, 2)


def test_growing_in_steps_equals_growing_at_once() -> None:
    at_once, stepwise = grown(16), grown(8)
    stepwise.grow(16, seed=0)
    x = images(4, 16)
    torch.testing.assert_close(at_once(x)[0], stepwise(x)[0])


def test_fade_mixes_from_the_smaller_resolution() -> None:
    network = grown(16)
    x = images(4, 16)
    small = network(torch.nn.functional.avg_pool2d(x, 2))[0]
    torch.testing.assert_close(network(x, fade=1e-7)[0], small, atol=1e-4, rtol=1e-4)
    assert (network(x, fade=0.5)[0] - network(x)[0]).abs().max() > 1e-3


def test_scores_depend_on_the_group_alone() -> None:
    network = grown(8)
    x = images(12, 8)
    torch.testing.assert_close(network(x)[0][4:8], network(x[4:8])[0], atol=1e-5, rtol=1e-5)


def test_minibatch_deviation_sees_a_collapsed_batch() -> None:
    network = grown(8)
    one = images(1, 8).expand(4, -1, -1, -1)
    assert network._spread(one).max() < 1e-3 < network._spread(images(4, 8)).min()


@pytest.mark.parametrize("resolution", [3, 12, 2])
def test_odd_resolutions_are_refused(resolution: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        grown(resolution)
