"""Adversarial losses (GOF section 3.4, pi-GAN section 3.4)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def generator_loss(scores: Tensor) -> Tensor:
    """Non-saturating loss of each fake: softplus(-score), [n]."""
    return F.softplus(-scores)


def discriminator_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """Mean of softplus(-real) plus mean of softplus(fake)."""
    return F.softplus(-real_scores).mean() + F.softplus(fake_scores).mean()


def r1_penalty(real_scores: Tensor, images: Tensor) -> Tensor:
    """0.5 * mean squared norm of the score's gradient at real images (Mescheder 2018, equation 9).

    images [n, 3, r, r] must require gradient and have produced real_scores.
    """
    (gradient,) = torch.autograd.grad(real_scores.sum(), images, create_graph=True)
    return 0.5 * gradient.square().sum((1, 2, 3)).mean()


def pose_loss(predicted: Tensor, poses: Tensor, circle: bool = False) -> Tensor:
    """Squared error of predicted yaw and pitch for each image: [n, 2], [n, 2] -> [n].

    circle: yaws go all the way round, and theirs is the chord's, 2 - 2 cos d, which is d^2 for
    small d.
    """
    error = predicted - poses
    if circle:
        yaw, pitch = error.unbind(-1)
        return (2 - 2 * yaw.cos() + pitch.square()) / 2
    return error.square().mean(-1)


def topk_count(step: float, count: int, decay: float, floor: float) -> int:
    """How many of `count` fakes teach the generator at a step: share max(floor, decay^(step /
    2000)) (Sinha 2020)."""
    return max(1, round(count * max(floor, decay ** (step / 2000))))


def topk_weights(scores: Tensor, keep: int) -> Tensor:
    """Weights [n] that average over the `keep` best-scored of n fakes and drop the others."""
    kept = torch.zeros_like(scores)
    kept[scores.detach().topk(keep).indices] = 1 / keep
    return kept
