import math

import torch

from gof.losses import adversarial


def test_losses_at_zero_score_are_log_two() -> None:
    zero = torch.zeros(3)
    torch.testing.assert_close(adversarial.generator_loss(zero), torch.full((3,), math.log(2)))
    loss = float(adversarial.discriminator_loss(zero, zero))
    assert math.isclose(loss, 2 * math.log(2), rel_tol=1e-6)


def test_discriminator_prefers_real_above_fake() -> None:
    good = adversarial.discriminator_loss(torch.tensor([5.0]), torch.tensor([-5.0]))
    bad = adversarial.discriminator_loss(torch.tensor([-5.0]), torch.tensor([5.0]))
    assert good < 0.02 < bad


def test_r1_of_a_linear_score() -> None:
    weight = torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(0))
    images = torch.zeros(2, 3, 4, 4, requires_grad=True)
    penalty = adversarial.r1_penalty((images * weight).sum((1, 2, 3)), images)
    torch.testing.assert_close(penalty, 0.5 * weight.square().sum())


def test_pose_loss() -> None:
    loss = adversarial.pose_loss(torch.tensor([[0.1, 0.3]]), torch.tensor([[0.0, 0.0]]))
    torch.testing.assert_close(loss, torch.tensor([0.05]))


def test_topk_schedule() -> None:
    assert adversarial.topk_count(0, 16, 0.99, 0.6) == 16
    assert adversarial.topk_count(2000 * 10, 100, 0.99, 0.6) == round(100 * 0.99**10)
    assert adversarial.topk_count(10**9, 10, 0.99, 0.6) == 6
    assert adversarial.topk_count(10**9, 1, 0.99, 0.6) == 1


def test_topk_weights_keep_the_best() -> None:
    weights = adversarial.topk_weights(torch.tensor([3.0, -1.0, 2.0, 0.0]), 2)
    torch.testing.assert_close(weights, torch.tensor([0.5, 0.0, 0.5, 0.0]))
