import pytest
import torch
from torch.nn import functional as F

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


def test_deviation_is_that_of_each_group_of_neighbours() -> None:
    network, h = grown(8), torch.randn(8, 5, 2, 2, generator=torch.Generator().manual_seed(3))
    found = network._spread(h)
    assert found.shape == (8, 1, 2, 2)
    for first in (0, 4):
        expected = (h[first : first + 4].var(0, unbiased=False) + 1e-8).sqrt().mean()
        torch.testing.assert_close(found[first : first + 4], expected.expand(4, 1, 2, 2))
    # Fewer images than a group make one of their own.
    few = (h[:3].var(0, unbiased=False) + 1e-8).sqrt().mean()
    torch.testing.assert_close(network._spread(h[:3]), few.expand(3, 1, 2, 2))


def conv(layer: torch.nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
    return F.conv2d(x, layer.weight, layer.bias, padding=layer.kernel_size[0] // 2)


def leaky(x: torch.Tensor) -> torch.Tensor:
    return torch.where(x > 0, x, 0.2 * x)


def halved(x: torch.Tensor) -> torch.Tensor:
    return (x[..., ::2, ::2] + x[..., 1::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, 1::2]) / 4


@pytest.mark.parametrize("fade", [1.0, 0.3])
def test_scores_are_those_of_the_layers_by_hand(fade: float) -> None:
    network, x = grown(16), images(4, 16)
    h = leaky(conv(network.from_rgb["16"], x))
    for r in ("16", "8"):
        block = network.blocks[r]
        inner = leaky(conv(block.second, halved(leaky(conv(block.first, h)))))
        h = (inner + conv(block.skip, halved(h))) / 2**0.5
        if r == "16":  # the newest block alone fades in
            small = leaky(conv(network.from_rgb["8"], halved(x)))
            h = fade * h + (1 - fade) * small
    h = torch.cat([h, network._spread(h)], 1)
    out = leaky(conv(network.last, h)).flatten(1) @ network.head.weight.T + network.head.bias
    scores, poses = network(x, fade)
    torch.testing.assert_close(scores, out[:, 0], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(poses, out[:, 1:], atol=1e-5, rtol=1e-4)


def test_no_layer_knows_where_a_pixel_lies() -> None:
    """No coordinates beside colours and features: the deviation is the only channel added."""
    network = grown(16)
    channels = {r: layer.in_channels for r, layer in network.from_rgb.items()}
    assert set(channels.values()) == {3}
    assert network.last.in_channels == network.last.out_channels + 1
    assert [network.blocks[r].first.in_channels for r in ("16", "8")] == [4, 8]
    assert [network.blocks[r].second.out_channels for r in ("16", "8")] == [8, 16]


def test_weights_are_drawn_for_leaky_units_each_layer_its_own() -> None:
    network = Discriminator(DiscriminatorNetwork(channel_base=4096, channel_max=64))
    network.grow(16, seed=0)
    weights = {name: p for name, p in network.named_parameters() if p.dim() > 1}
    assert not any(p.any() for p in network.parameters() if p.dim() == 1)
    for name, weight in weights.items():
        expected = (2 / (1 + 0.2**2) / weight[0].numel()) ** 0.5
        assert weight.detach().std().item() == pytest.approx(expected, rel=0.25), name
    same_shape = [weights[f"blocks.{r}.first.weight"] for r in ("16", "8")]
    assert not torch.equal(*same_shape)
    other = Discriminator(network.network)
    other.grow(16, seed=1)
    assert not torch.equal(other.head.weight, network.head.weight)


@pytest.mark.parametrize("resolution", [3, 12, 2])
def test_odd_resolutions_are_refused(resolution: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        grown(resolution)
