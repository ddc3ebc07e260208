import math

import torch

from gof.rendering.bounds import midway, peaks, upper_bound
from gof.rendering.query import Samples

HEIGHT, STEEPNESS = 3.0, 800.0


def along(t, at):
    """Logits of a cone's tip at `at`: concave, and as sharp as can be."""
    return HEIGHT - STEEPNESS * (t - at).abs()


def test_bounds_along_a_ray_hold_for_concave_logits_and_meet_a_cone() -> None:
    own = torch.Generator().manual_seed(0)
    t = (torch.arange(10) + torch.rand(300, 10, generator=own)) / 10 * 0.24 + 0.88
    at = torch.rand(300, 1, generator=own) * 0.16 + 0.92
    samples = Samples(t, along(t, at))
    found = peaks(samples, 0.88, 1.12)
    assert (found >= HEIGHT - 1e-2).all()
    inner = ((t[:, 2:3] < at) & (at < t[:, -3:-2])).squeeze(1)  # pairs on either side
    assert inner.sum() > 150 and (found[inner] - HEIGHT).abs().max() < 0.05
    everywhere = torch.linspace(0.88, 1.12, 97).expand(300, 97)
    assert (upper_bound(samples, everywhere) >= along(everywhere, at) - 1e-2).all()
    rounder = Samples(t, HEIGHT - STEEPNESS * (t - at).square())
    assert (peaks(rounder, 0.88, 1.12) >= HEIGHT - 1e-3).all()
    assert (upper_bound(rounder, at) >= HEIGHT - 1e-3).all()


def test_one_sample_bounds_nothing() -> None:
    samples = Samples(torch.ones(3, 1), torch.full((3, 1), -20.0))
    assert (peaks(samples, 0.88, 1.12) > 1e9).all()
    assert (upper_bound(samples, torch.ones(3, 4)) > 1e9).all()


def test_a_batch_of_single_rays_is_bounded_ray_by_ray() -> None:
    t = torch.linspace(0.9, 1.1, 5).expand(2, 1, 5)
    samples = Samples(t, along(t, 1.0))
    assert (peaks(samples, 0.88, 1.12) < HEIGHT + 1).all()


def test_bounds_between_pixels_hold_for_concave_values() -> None:
    y, x = torch.meshgrid(torch.arange(12.0), torch.arange(12.0), indexing="ij")
    for angle in (0.0, 0.4, 1.1):
        for middle in ((5.3, 6.1), (0.0, 11.0), (9.0, 3.0)):
            u = (x - middle[0]) * math.cos(angle) + (y - middle[1]) * math.sin(angle)
            v = (y - middle[1]) * math.cos(angle) - (x - middle[0]) * math.sin(angle)
            values = -torch.hypot(u, 2 * v)[None]
            found = midway(values[:, ::2, ::2])
            between = torch.ones(12, 12, dtype=torch.bool)
            between[::2, ::2] = False
            assert (found >= values - 1e-4)[:, between].all()
            assert found[:, ~between].isneginf().all()
            inner = found[:, 1:-3, 1:-3] - values[:, 1:-3, 1:-3]
            assert inner.max() < 4.5  # no more than two pixels' rise


def lines(t, values, k):
    """Bounds on either side of the gap behind sample k, as functions of a place: the lines through
    the two samples before the gap and through the two behind it, flat where they fall away."""
    n = len(t)

    def left(at):
        if k < 1:
            return math.inf
        return values[k] + max((values[k] - values[k - 1]) / (t[k] - t[k - 1]), 0) * (at - t[k])

    def right(at):
        if k + 2 > n - 1:
            return math.inf
        slope = (values[k + 1] - values[k + 2]) / (t[k + 2] - t[k + 1])
        return values[k + 1] + max(slope, 0) * (t[k + 1] - at)

    return left, right


def bound_at(t, values, at):
    """Upper bound at a place, gap by gap, in plain numbers."""
    k = sum(one < at for one in t) - 1  # the sample before the place
    left, right = lines(t, values, k)
    return min(left(at) if k >= 0 else math.inf, right(at))


def test_bounds_along_a_ray_against_a_loop() -> None:
    own = torch.Generator().manual_seed(3)
    n, rays = 6, 60
    t = (torch.arange(n) + 0.1 + 0.8 * torch.rand(rays, n, generator=own)) / n * 0.2 + 0.9
    values = 5 * torch.randn(rays, n, generator=own)
    values[:5] = 2.0  # nothing rises or falls
    samples = Samples(t.double(), values.double())
    near, far = 0.88, 1.12
    places = near + (far - near) * torch.rand(rays, 40, generator=own).double()
    found, highest = upper_bound(samples, places), peaks(samples, near, far)
    for ray in range(rays):
        own_t, own_values = samples.t[ray].tolist(), samples.logits[ray].tolist()
        for at, bound in zip(places[ray].tolist(), found[ray].tolist(), strict=True):
            wanted = bound_at(own_t, own_values, at)
            assert bound > 1e9 if math.isinf(wanted) else abs(bound - wanted) < 1e-6
        dense = torch.linspace(near, far, 4001, dtype=torch.float64).tolist()
        between = [at for at in dense if at not in own_t]
        wanted = max(*(bound_at(own_t, own_values, at) for at in between), *own_values)
        steepest = float((samples.logits[ray].diff() / samples.t[ray].diff()).abs().max())
        step = (far - near) / 4000
        assert wanted - 1e-9 <= float(highest[ray]) <= wanted + steepest * step
