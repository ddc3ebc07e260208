import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from gof.fields.analytic import Ellipsoid, sphere
from gof.geometry.cameras import camera_rays
from gof.metrics.scores.ray_profile import (
    SurfaceTotals,
    agreement,
    outward,
    profile,
    quick_sigma,
    sigma,
    weight_histogram,
    weighted_variance,
)
from gof.rendering.interface import RenderSettings
from gof.rendering.render import render

SETTINGS = RenderSettings(
    integrator="occupancy",
    coarse=12,
    secant=4,
    surface=8,
    fine=0,
    tau=0.5,
    density_scale=30.0,
    near=0.88,
    far=1.12,
    half_width=0.02,
    background=(1.0, 1.0, 1.0),
)
DENSITY = replace(SETTINGS, integrator="density", surface=0, fine=12)
RAYS = camera_rays(torch.tensor([[0.0, 0.0], [0.4, -0.2]]), 12, 12.0)


class Between:
    """Occupied where the field `inner` is, and in a thin shell in front of the camera."""

    def __init__(self, low: float, high: float, logit: float) -> None:
        self.low, self.high, self.logit = low, high, logit

    def logits(self, points: Tensor) -> Tensor:
        veil = (points[..., 2] < self.high) & (points[..., 2] > self.low)
        return torch.where(veil, self.logit, sphere(0.05).logits(points))

    def radiance(self, points: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        return torch.zeros_like(points), self.logits(points)


def test_variance_of_one_and_of_two_samples() -> None:
    t = torch.linspace(0.9, 1.1, 36, dtype=torch.float64)
    one = torch.zeros(36, dtype=torch.float64)
    one[5] = 1.0
    assert float(weighted_variance(one, t)) == pytest.approx(0, abs=1e-18)
    two = torch.zeros(36, dtype=torch.float64)
    two[3], two[11] = 0.25, 0.75
    gap = float(t[11] - t[3])
    expected = 0.25 * 0.75 * gap**2 / ((1 + 1e-5) * 35 / 36)
    assert float(weighted_variance(two, t)) == pytest.approx(expected, rel=1e-12)


def test_sigma_counts_opaque_rays_and_opaque_images_only() -> None:
    t = torch.linspace(0, 1, 4, dtype=torch.float64).expand(2, 2, 4)
    weights = torch.zeros(2, 2, 4, dtype=torch.float64)
    weights[0, 0] = torch.tensor([0.5, 0.5, 0, 0])
    weights[0, 1] = torch.tensor([0.5, 0, 0, 0.48])  # 0.98: not counted
    weights[1] = 0.2
    (value,) = sigma(weights, t)
    assert value == pytest.approx(1e4 * (1 / 6) ** 2 / ((1 + 1e-5) * 3 / 4), rel=1e-9)


@pytest.mark.parametrize("settings", [SETTINGS, DENSITY])
def test_a_hard_step_has_no_spread_and_a_soft_one_the_spread_of_its_width(
    settings: RenderSettings,
) -> None:
    hard = profile(sphere(0.08, 1e6), RAYS, settings, 36, 0.12)
    soft = profile(sphere(0.08, 60.0), RAYS, settings, 36, 0.12)
    spacing = 0.24 / 36
    inside = hard.weights.sum(-1) > 0.99
    assert 0.2 < float(inside.float().mean()) < 0.8
    assert max(sigma(hard.weights, hard.t)) < 1e4 * spacing**2
    assert min(sigma(soft.weights, soft.t)) > 10 * max(sigma(hard.weights, hard.t))


def test_sigma_of_the_density_of_a_thick_slab_is_that_of_an_exponential() -> None:
    class Slab:
        def logits(self, points: Tensor) -> Tensor:
            return torch.where(points[..., 2] < 0.1, 10.0, -1.0)

        def radiance(self, points: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
            return torch.zeros_like(points), self.logits(points)

    rays = camera_rays(torch.zeros(1, 2), 1, 12.0)
    fine = profile(Slab(), rays, DENSITY, 4000, 0.0)
    # Density 300: weights fall off exponentially, so the variance is 1 / 300^2.
    assert float(weighted_variance(fine.weights, fine.t)) == pytest.approx(300**-2, rel=1e-2)


def test_clean_up_removes_what_floats_before_the_surface() -> None:
    rays = camera_rays(torch.zeros(1, 2), 4, 1.0)
    veiled = Between(0.095, 0.11, -1.0)  # logit -1: seen through, no crossing
    seen = profile(veiled, rays, SETTINGS, 36, 0.06)
    assert bool(seen.hit.all())
    torch.testing.assert_close(
        seen.surface_t, torch.full_like(seen.surface_t, 0.95), rtol=0, atol=2e-3
    )
    raw, clean = sigma(seen.weights, seen.t), sigma(seen.clean_weights, seen.t)
    bare = profile(sphere(0.05), rays, SETTINGS, 36, 0.06)
    assert raw[0] > 5 * clean[0]
    assert clean == pytest.approx(sigma(bare.weights, bare.t))
    # Within half the interval nothing is removed.
    kept = profile(veiled, rays, SETTINGS, 36, 0.12)
    assert sigma(kept.clean_weights, kept.t) == sigma(kept.weights, kept.t)


def test_crossing_and_mean_depth_agree_on_a_hard_sphere_and_not_on_a_fog() -> None:
    agreeing, covered = agreement(profile(sphere(0.08, 1e5), RAYS, SETTINGS, 36, 0.12))
    assert agreeing == covered > 50
    veiled = Between(0.06, 0.1, -1.0)
    rays = camera_rays(torch.zeros(1, 2), 4, 1.0)
    agreeing, covered = agreement(profile(veiled, rays, SETTINGS, 36, 0.12))
    assert (agreeing, covered) == (0, 16)


def test_covered_rays_without_crossing_do_not_agree() -> None:
    class Everywhere:
        def logits(self, points: Tensor) -> Tensor:
            return torch.full_like(points[..., 0], 9.0)

        def radiance(self, points: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
            return torch.zeros_like(points), self.logits(points)

    assert agreement(profile(Everywhere(), RAYS, SETTINGS, 36, 0.12)) == (0, 288)


def frontal(*fields: Ellipsoid) -> tuple[Tensor, Tensor]:
    rays = camera_rays(torch.zeros(1, 2), 24, 12.0)
    outs = [render(field, rays, SETTINGS) for field in fields]
    square = (24, 24)
    return tuple(
        torch.cat([getattr(o, name).unflatten(-1, square) for o in outs])
        for name in ("surface_t", "hit")
    )


def test_spheres_and_ellipsoids_face_outward_wherever_they_are() -> None:
    surface_t, hit = frontal(
        sphere(0.08), Ellipsoid((0.04, 0.05, 0.04), (0.03, -0.02, 0.0)), Ellipsoid((0.1, 0.1, 0.02))
    )
    assert outward(surface_t, hit).tolist() == [True, True, True]


def test_bowls_planes_and_empty_views_do_not() -> None:
    surface_t, hit = frontal(sphere(0.08))
    bowl = torch.where(hit, 2.0 - surface_t, surface_t)  # the same relief, pressed in
    nothing = torch.zeros_like(hit)
    flat = torch.ones_like(surface_t)
    assert outward(torch.cat([bowl, surface_t, flat]), torch.cat([hit, nothing, hit])).tolist() == [
        False,
        False,
        False,
    ]


def test_outward_ignores_pixels_that_are_not_hit() -> None:
    surface_t, hit = frontal(sphere(0.06))
    for value in (-5.0, 0.0, 9.0):
        assert outward(torch.where(hit, surface_t, value), hit).tolist() == [True]


def test_histogram_holds_all_weight_of_opaque_rays_around_their_mean() -> None:
    seen = profile(sphere(0.08, 300.0), RAYS, SETTINGS, 36, 0.12)
    bins = weight_histogram(seen, 61, 0.12)
    opaque = seen.weights.sum(-1) > 0.99
    total = float(seen.weights[opaque].sum())
    assert float(bins.sum()) == pytest.approx(total, rel=1e-6)
    # 300 a radius: nearly all of it lies within 0.03 of the middle.
    assert float(bins[23:38].sum()) > 0.95 * total
    assert float(bins[:10].sum() + bins[-10:].sum()) < 0.01 * total


def test_quick_sigma_is_sigma_or_the_spread_of_nothing() -> None:
    seen = profile(sphere(0.08, 300.0), RAYS, SETTINGS, 36, 0.12)
    values = sigma(seen.weights, seen.t)
    assert quick_sigma(sphere(0.08, 300.0), RAYS, SETTINGS) == pytest.approx(sum(values) / 2)
    away = Ellipsoid((0.01, 0.01, 0.01), (5.0, 0.0, 0.0))
    assert quick_sigma(away, RAYS, SETTINGS) == pytest.approx(0.24**2 / 12 * 1e4)
    assert math.isfinite(quick_sigma(away, RAYS, DENSITY))


def test_totals_add_up_over_images() -> None:
    totals = SurfaceTotals.empty(11)
    seen = profile(sphere(0.08), RAYS, SETTINGS, 36, 0.12)
    for _ in range(2):
        totals.add(seen, [True, False], 0.12)
    assert len(totals.sigma) == len(totals.sigma_clean) == 4
    assert totals.outward == [True, False] * 2
    assert (totals.agreeing, totals.covered) == tuple(2 * x for x in agreement(seen))
