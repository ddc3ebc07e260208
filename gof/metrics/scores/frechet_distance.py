"""Frechet distance between two sets of image features (Heusel et al. 2017, equation 6)."""

from __future__ import annotations

import torch
from torch import Tensor

from gof.run.files import InputError

ROWS = 1024  # of a kernel's matrix that are held at once


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """|m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)) of features a [n, d] and b [m, d], in
    float64.

    Exact for fewer samples than dimensions too: with centred data A and B, tr (C_a C_b)^(1/2) is
    the sum of the singular values of A B^T over ((n - 1) (m - 1))^(1/2), so no square root of a
    singular matrix is taken. Raises InputError for fewer than two rows or features that are not
    finite.
    """
    sets = [_checked(x, "Frechet") for x in (a, b)]
    means = [x.mean(0) for x in sets]
    centred = [(x - m) / (len(x) - 1) ** 0.5 for x, m in zip(sets, means, strict=True)]
    traces = [x.square().sum() for x in centred]
    roots = [_triangle(x) for x in centred]
    cross = torch.linalg.svdvals(roots[0] @ roots[1].mT).sum()
    distance = (means[0] - means[1]).square().sum() + traces[0] + traces[1] - 2 * cross
    return max(float(distance), 0.0)


def _checked(features: Tensor, of: str) -> Tensor:
    if len(features) < 2:
        raise InputError(f"{of} distance: {len(features)} image in a set, it needs at least 2")
    if not bool(torch.isfinite(features).all()):
        raise InputError(f"{of} distance: features are not finite: look at the images")
    return features.double()


def _triangle(x: Tensor) -> Tensor:
    """[n, d] -> R with R^T R = x^T x and at most d rows."""
    return x if len(x) <= x.shape[1] else torch.linalg.qr(x, mode="r").R


def kernel_distance(a: Tensor, b: Tensor) -> float:
    """KID: the unbiased squared maximum mean discrepancy of features a [n, d] and b [m, d] under
    the kernel (x y / d + 1)^3, in float64, over all pairs at once. Binkowski et al., "Demystifying
    MMD GANs" (2018), section 4. Raises InputError for fewer than two rows or features that are not
    finite."""
    a, b = _checked(a, "Kernel"), _checked(b, "Kernel")
    within = [(_kernel_sum(x, x) - _diagonal(x)) / (len(x) * (len(x) - 1)) for x in (a, b)]
    return within[0] + within[1] - 2 * _kernel_sum(a, b) / (len(a) * len(b))


def _kernel_sum(a: Tensor, b: Tensor) -> float:
    rows = a.split(ROWS)
    return sum(float(((part @ b.mT) / b.shape[1] + 1).pow(3).sum()) for part in rows)


def _diagonal(x: Tensor) -> float:
    return float((x.square().sum(1) / x.shape[1] + 1).pow(3).sum())
