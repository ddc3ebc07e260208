import pytest
import torch

from gof.geometry.settings import Camera
from gof.metrics.depth import DepthNet
from gof.metrics.networks.depth_network import Pairs, predict, shrink_pairs, train_depth_net
from gof.run.files import InputError

SMALL = DepthNet(pairs=64, steps=50, batch=8, width=8, score_resolution=32)


def test_shrunk_pairs_average_covered_depth_only() -> None:
    depth = torch.tensor([[[1.0, 0.8, 0.0, 0.0], [1.0, 0.8, 0.9, 0.0]]])
    pairs = Pairs(torch.ones(1, 3, 2, 4), depth, depth > 0)
    small = shrink_pairs(pairs, 2)
    torch.testing.assert_close(small.depth, torch.tensor([[[0.9, 0.9]]]))
    assert small.mask.tolist() == [[[True, False]]]
    assert small.images.shape == (1, 3, 1, 2)


def shapes(n: int, r: int) -> Pairs:
    """Discs on a dark ground whose size tells their depth."""
    draws = torch.Generator().manual_seed(7)
    size = 0.3 + 0.6 * torch.rand(n, 1, 1, generator=draws)
    line = torch.linspace(-1, 1, r)
    radius = torch.hypot(line[:, None], line)
    depth = 1.05 - 0.1 * size + 0.03 * radius
    images = torch.tanh(8 * (size - radius))[:, None].expand(n, 3, r, r)
    return Pairs(images, depth, torch.ones(n, r, r, dtype=torch.bool))


def test_the_network_learns_depth_that_the_image_tells() -> None:
    pairs = shapes(64, 16)
    camera = Camera()
    network = train_depth_net(pairs, SMALL, camera, 0)
    found = predict(network, pairs.images, 16)
    error = float((found - pairs.depth)[pairs.mask].abs().mean())
    constant = pairs.depth[pairs.mask]
    assert error < 0.3 * float((constant - constant.median()).abs().mean())
    wide = predict(network, pairs.images, 32)
    assert wide.shape == (64, 32, 32)
    back = torch.nn.functional.avg_pool2d(wide[:, None], 2).squeeze(1)
    assert float((back - found)[pairs.mask].abs().mean()) < 2e-3


def test_training_depends_on_its_seed_only() -> None:
    settings = SMALL.model_copy(update={"steps": 3})
    pairs = shapes(20, 16)
    a, b, c = (train_depth_net(pairs, settings, Camera(), seed)(pairs.images) for seed in (4, 4, 5))
    assert torch.equal(a, b) and not torch.equal(a, c)


def test_pixels_off_the_mask_teach_nothing() -> None:
    settings = SMALL.model_copy(update={"steps": 3})
    pairs = shapes(20, 16)
    mask = pairs.mask.clone()
    mask[:, :, 9:] = False  # not the mirror image of itself: depth and mask must be mirrored alike
    odd = torch.where(mask, pairs.depth, 5.0)
    a, b, c = (
        train_depth_net(Pairs(pairs.images, *x), settings, Camera(), 0)(pairs.images)
        for x in ((pairs.depth, mask), (odd, mask), (odd, pairs.mask))
    )
    assert torch.equal(a, b) and not torch.equal(a, c)
    with pytest.raises(InputError, match="covered"):
        empty = Pairs(pairs.images, pairs.depth, torch.zeros_like(pairs.mask))
        train_depth_net(empty, settings, Camera(), 0)
