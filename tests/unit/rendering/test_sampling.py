import pytest
import torch

from gof.rendering.sampling import importance, stratified, surface_interval


def test_stratified_centres_and_bounds() -> None:
    low, high = torch.full((1, 1), 2.0), torch.full((1, 1), 4.0)
    t = stratified(low, high, torch.full((1, 1, 4), 0.5))
    torch.testing.assert_close(t.flatten(), torch.tensor([2.25, 2.75, 3.25, 3.75]))
    u = torch.rand(1, 1, 1000, generator=torch.Generator().manual_seed(0))
    t = stratified(low, high, u)
    assert (t.diff() > 0).all() and t.min() >= 2 and t.max() <= 4


@pytest.mark.parametrize(
    ("surface", "half", "expected"),
    [
        (1.0, 0.02, (0.98, 1.02)),
        (0.89, 0.02, (0.88, 0.92)),  # shifted, not cut
        (1.115, 0.02, (1.08, 1.12)),
        (1.0, 0.5, (0.88, 1.12)),  # wider than the volume
    ],
)
def test_interval_is_shifted_into_the_volume(surface, half, expected) -> None:
    hit = torch.tensor([[True]])
    low, high = surface_interval(torch.tensor([[surface]]), hit, half, 0.88, 1.12)
    torch.testing.assert_close(torch.stack([low, high]).flatten(), torch.tensor(expected))


def test_rays_without_surface_use_the_whole_range() -> None:
    low, high = surface_interval(torch.tensor([[1.12]]), torch.tensor([[False]]), 0.02, 0.88, 1.12)
    torch.testing.assert_close(torch.stack([low, high]).flatten(), torch.tensor([0.88, 1.12]))


def test_importance_follows_the_weights() -> None:
    t = torch.linspace(0, 1, 11).expand(1, 1, 11)
    weights = torch.zeros(1, 1, 11)
    weights[..., 3], weights[..., 7] = 0.75, 0.25
    u = torch.rand(1, 1, 4000, generator=torch.Generator().manual_seed(0))
    samples = importance(t, weights, u).flatten()
    near_three = ((samples > 0.24) & (samples < 0.36)).float().mean()
    near_seven = ((samples > 0.64) & (samples < 0.76)).float().mean()
    assert near_three.item() == pytest.approx(0.75, abs=0.01)
    assert near_seven.item() == pytest.approx(0.25, abs=0.01)


def test_importance_without_weights_is_even() -> None:
    t = torch.linspace(0, 1, 11).expand(2, 3, 11)
    samples = importance(t, torch.zeros(2, 3, 11), torch.full((2, 3, 5), 0.5))
    assert torch.isfinite(samples).all() and (samples.diff() > 0).all()
    assert samples.min() >= 0 and samples.max() <= 1
