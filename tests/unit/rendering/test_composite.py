import math

import torch

from gof.rendering.composite import (
    composite,
    density,
    density_alpha,
    noisy,
    occupancy_alpha,
    ray_weights,
)


def test_weights_against_a_loop() -> None:
    alpha = torch.rand(2, 5, 7, generator=torch.Generator().manual_seed(0))
    weights = ray_weights(alpha)
    for b in range(2):
        for r in range(5):
            through = 1.0
            for i in range(7):
                a = float(alpha[b, r, i])
                assert math.isclose(float(weights[b, r, i]), a * through, abs_tol=1e-6)
                through *= 1 - a


def test_weights_and_rest_sum_to_one() -> None:
    alpha = torch.rand(1, 4, 9, generator=torch.Generator().manual_seed(1))
    rest = torch.prod(1 - alpha, -1)
    torch.testing.assert_close(ray_weights(alpha).sum(-1) + rest, torch.ones(1, 4))


def test_an_opaque_sample_hides_what_is_behind_with_finite_gradient() -> None:
    logits = torch.tensor([[[-200.0, 200.0, 200.0]]], requires_grad=True)
    weights = ray_weights(occupancy_alpha(logits))
    torch.testing.assert_close(weights, torch.tensor([[[0.0, 1.0, 0.0]]]))
    weights[..., 2].sum().backward()
    assert logits.grad is not None and torch.isfinite(logits.grad).all()


def test_uniform_density_follows_beer_lambert() -> None:
    t = torch.linspace(0, 1, 101)[None, None, :-1]
    alpha = density_alpha(torch.full_like(t, 3.0), t, 1.0)
    passed = 1 - ray_weights(alpha).sum()
    assert math.isclose(float(passed), math.exp(-3.0), rel_tol=1e-4)


def test_density_begins_at_logit_zero() -> None:
    assert density(torch.tensor([-3.0, 0.0, 0.5]), 30.0).tolist() == [0, 0, 15]


def test_noise_is_that_of_densities_before_they_are_cut() -> None:
    logits, draws = torch.tensor([0.5, 0.5, -0.01, 0.01]), torch.tensor([2.0, -2.0, 2.0, -2.0])
    found = density(noisy(logits, draws, 3.0, 30.0), 30.0)
    torch.testing.assert_close(found, torch.tensor([21.0, 9.0, 5.7, 0.0]))


def test_composite_is_a_weighted_sum() -> None:
    weights = torch.tensor([[[0.25, 0.5]]])
    values = torch.tensor([[[[1.0, 0.0], [0.0, 2.0]]]])
    torch.testing.assert_close(composite(weights, values), torch.tensor([[[0.25, 1.0]]]))
