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


def test_losses_against_logarithms() -> None:
    real, fake = torch.tensor([0.5, -2.0]), torch.tensor([1.5, -0.3])
    own = [math.log1p(math.exp(-x)) for x in fake.tolist()]
    torch.testing.assert_close(adversarial.generator_loss(fake), torch.tensor(own))
    seen = sum(math.log1p(math.exp(-x)) for x in real.tolist()) / 2
    seen += sum(math.log1p(math.exp(x)) for x in fake.tolist()) / 2
    loss = adversarial.discriminator_loss(real, fake)
    assert loss.shape == () and math.isclose(float(loss), seen, rel_tol=1e-6)


def test_r1_of_scores_that_bend_is_a_mean_over_images_with_a_gradient() -> None:
    own = torch.Generator().manual_seed(0)
    images = torch.randn(2, 3, 4, 4, generator=own).requires_grad_()
    bend = torch.randn(2, 3, 4, 4, generator=own).requires_grad_()
    penalty = adversarial.r1_penalty((bend * images**2).sum((1, 2, 3)), images)
    # The slope is 2 bend x.
    squares = (2 * bend * images).square()
    torch.testing.assert_close(penalty, 0.5 * (squares[0].sum() + squares[1].sum()) / 2)
    penalty.backward()
    torch.testing.assert_close(bend.grad, (2 * images.detach()).square() * bend.detach() / 2)


def test_yaws_that_go_all_the_way_round_meet_behind() -> None:
    poses = torch.tensor([[math.pi - 0.05, 0.2], [0.0, 0.0], [0.0, 0.1]])
    read = torch.tensor([[-math.pi + 0.05, 0.2], [math.pi, 0.0], [0.001, 0.3]])
    found = adversarial.pose_loss(read, poses, circle=True)
    chord = (2 * math.sin(0.05)) ** 2  # of unit vectors 0.1 apart
    expected = torch.tensor([chord / 2, 2.0, (1e-6 + 0.04) / 2])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-7)
    assert adversarial.pose_loss(read, poses)[0] > 10


def test_pose_loss_of_each_image() -> None:
    read = torch.tensor([[0.1, 0.3], [0.0, -0.2], [1.0, 1.0]])
    poses = torch.tensor([[0.2, -0.1], [0.0, 0.2], [1.0, 1.0]])
    loss = adversarial.pose_loss(read, poses)
    torch.testing.assert_close(loss, torch.tensor([(0.01 + 0.16) / 2, 0.08, 0.0]))


def test_topk_share_falls_by_the_decay_in_2000_steps() -> None:
    counts = [adversarial.topk_count(step, 10**6, 0.9, 0.5) for step in (2000, 4000, 1000)]
    assert counts == [900_000, 810_000, round(10**6 * 0.9**0.5)]
    assert adversarial.topk_count(10**9, 3, 0.9, 0.1) == 1


def test_topk_weights_have_no_gradient_of_their_own() -> None:
    scores = torch.tensor([1.0, 4.0, 2.0], requires_grad=True)
    weights = adversarial.topk_weights(scores, 2)
    assert not weights.requires_grad
    torch.testing.assert_close(weights, torch.tensor([0.0, 0.5, 0.5]))
