"""Plain and skipping rendering against a loop over rays and samples, for any set of rays, shape and
setting."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from gof.fields.analytic import Ellipsoid, sphere
from gof.fields.field import Field
from gof.geometry.cameras import Rays, camera_rays, plane_rays
from gof.rendering.interface import RenderOutput, RenderSettings
from gof.rendering.query import Everywhere
from gof.rendering.render import render
from gof.rendering.skipping import LEAST, SETTLED, Skipping
from tests.unit.hard_fields import Bent, bumpy
from tests.unit.rendering.brute_force import Pixel, Ray, pixel
from tests.unit.rendering.toy_fields import Filled, Fog, Shell, Union

FOV = 12.0
GOF = RenderSettings(
    integrator="occupancy",
    coarse=12,
    secant=3,
    surface=8,
    fine=0,
    tau=0.5,
    density_scale=30.0,
    near=0.88,
    far=1.12,
    half_width=0.02,
    background=(1.0, -0.5, 0.2),
)
PIGAN = replace(GOF, integrator="density", coarse=8, surface=0, fine=8)


def numbers(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False)


def powers(low: float, high: float) -> st.SearchStrategy[float]:
    return numbers(math.log(low), math.log(high)).map(math.exp)


def ellipsoids(smallest: float, roundest: float = 3.0) -> st.SearchStrategy[Ellipsoid]:
    """Semi-axes from smallest up."""
    radius = numbers(smallest, 0.09)
    stretch = numbers(1.0, roundest)
    place = numbers(-0.05, 0.05)
    return st.builds(
        lambda r, a, b, c, s: Ellipsoid((r, min(r * a, 0.1), min(r * b, 0.1)), c, s),
        *(radius, stretch, stretch, st.tuples(place, place, place), powers(20, 4000)),
    )


FOGS = st.builds(Fog, numbers(-12, 8))
SHELLS = st.builds(Shell, numbers(0.03, 0.09), numbers(1e-3, 0.03), powers(50, 4000))
SHAPES = st.one_of(
    ellipsoids(0.004), st.builds(Union, ellipsoids(0.004), ellipsoids(0.004)), FOGS, SHELLS
)
WIDE = st.one_of(ellipsoids(0.025), st.builds(Union, ellipsoids(0.025), ellipsoids(0.025)), FOGS)
VOLUMES = st.sampled_from([(0.88, 1.12), (0.8, 1.2)])


@st.composite
def all_settings(draw: st.DrawFn) -> RenderSettings:
    near, far = draw(VOLUMES)
    integrator = draw(st.sampled_from(["occupancy", "density"]))
    occupancy = integrator == "occupancy"
    return replace(
        GOF,
        integrator=integrator,
        coarse=draw(st.one_of(st.integers(1, 96), st.integers(6, 24))),
        secant=draw(st.integers(0, 4)),
        surface=draw(st.integers(1, 8)) if occupancy else draw(st.sampled_from([0, 0, 4])),
        fine=draw(st.sampled_from([0, 0, 1, 5, 12])),
        tau=draw(st.sampled_from([0.5, 0.5, 0.1, 0.9])),
        density_scale=draw(powers(0.1, 1000)),
        half_width=draw(st.one_of(st.just(0.0), numbers(0.005, 0.2))),
        near=near,
        far=far,
    )


POSES = st.tuples(numbers(-0.6, 0.6), numbers(-0.3, 0.3))
COUNTS = st.one_of(st.integers(1, 60), st.sampled_from([1, 4, 16, 36, 64, 144]))


def random_rays(count: int, seed: int, pose: tuple[float, float], reach: float = 1.0) -> Rays:
    draw = torch.Generator().manual_seed(seed)
    plane = (torch.rand(count, 2, generator=draw, dtype=torch.float64) * 2 - 1) * reach
    return plane_rays(plane, torch.tensor([pose], dtype=torch.float64), FOV)


def image_rays(side: int, pose: tuple[float, float]) -> Rays:
    return camera_rays(torch.tensor([pose], dtype=torch.float64), side, FOV)


def patch_rays(side: int, seed: int, pose: tuple[float, float]) -> Rays:
    """A square patch of an image."""
    whole, corner = image_rays(3 * side, pose), seed % (2 * side)
    at = torch.arange(corner, corner + side)
    return whole.pick((at[:, None] * 3 * side + at).reshape(1, -1))


SETS = st.one_of(
    st.builds(random_rays, COUNTS, st.integers(0, 99), POSES),
    st.builds(patch_rays, st.integers(1, 8), st.integers(0, 99), POSES),
)
IMAGES = st.builds(image_rays, st.sampled_from([9, 10, 12, 16]), POSES)


def reference(field: Field, rays: Rays, s: RenderSettings, out: RenderOutput) -> list[Pixel]:
    """Each ray by itself; intervals lie about the surface that was found, which is compared on its
    own."""
    found = []
    lines = zip(rays.origins[0].numpy(), rays.directions[0].numpy(), out.surface_t[0], strict=True)
    for origin, direction, surface_t in lines:
        middle = float(surface_t) if surface_t < s.far else None
        found.append(pixel(Ray(field, origin, direction), s, middle))
    return found


def differences(pixels: list[Pixel], out: RenderOutput) -> dict[str, float]:
    """The largest of each kind; depth where either shows more than LEAST, weighed by opacity."""
    hit = np.array([p.hit for p in pixels])
    alpha = np.array([p.alpha for p in pixels])
    shown = np.minimum(alpha, out.alpha[0].numpy())
    shown[np.maximum(alpha, out.alpha[0].numpy()) < 2 * LEAST] = 0
    depth = np.abs(np.array([p.depth for p in pixels]) - out.depth[0].numpy()) * shown
    both = hit & out.hit[0].numpy()
    surface = np.abs(np.array([p.surface_t for p in pixels]) - out.surface_t[0].numpy())
    return {
        "hits": int((hit != out.hit[0].numpy()).sum()),
        "surface_t": float(surface[both].max(initial=0)),
        "rgb": float(np.abs(np.stack([p.rgb for p in pixels]) - out.rgb[0].numpy()).max()),
        "alpha": float(np.abs(alpha - out.alpha[0].numpy()).max()),
        "depth": float(depth.max()),
    }


def check(found: dict[str, float], s: RenderSettings, skipped: bool) -> None:
    """Plain: equal but for rounding. Skipping: secant steps stop early, and no pixel changes by
    more than LEAST of full opacity, which in colours of [-1, 1] is twice as much."""
    least = LEAST if skipped else 1e-7
    assert found["hits"] == 0, found
    assert found["surface_t"] <= (s.secant * SETTLED if skipped else 0) + 1e-9, found
    assert found["alpha"] <= least and found["rgb"] <= 2 * least + 1e-7, found
    assert found["depth"] <= least * (s.far - s.near) + 1e-7, found


CAREFUL = settings(
    max_examples=40,
    deadline=None,
    phases=[Phase.generate],
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


@CAREFUL
@given(SHAPES, st.one_of(SETS, IMAGES), all_settings())
def test_plain_rendering_is_the_loop(field, rays, s) -> None:
    out = render(field, rays, s, ask=Everywhere)
    check(differences(reference(field, rays, s, out), out), s, skipped=False)


@CAREFUL
@given(SHAPES, SETS, all_settings())
def test_skipping_leaves_out_nothing_of_rays_that_are_no_image(field, rays, s) -> None:
    out = render(field, rays, s, ask=Skipping)
    check(differences(reference(field, rays, s, out), out), s, skipped=True)


@CAREFUL
@given(WIDE, IMAGES, all_settings(), st.integers(8, 96))
def test_skipping_shows_the_same_image(field, rays, s, coarse) -> None:
    """Of shapes wider than two pixels and a coarse spacing."""
    s = replace(s, coarse=coarse)
    out = render(field, rays, s, ask=Skipping)
    check(differences(reference(field, rays, s, out), out), s, skipped=True)


@pytest.mark.parametrize(
    ("field", "scale", "coarse", "length"),
    [
        (Fog(1.5), 30.0, 96, 0.24),
        (Fog(0.05), 1000.0, 8, 0.24),
        (Fog(20.0), 0.1, 8, 0.24),
        (Fog(0.01), 1.0, 64, 0.24),
        (Filled(sphere(0.08), 4.0), 3.0, 12, 0.16),  # opacity 0.853
        (Filled(Ellipsoid((9.0, 9.0, 0.00646)), 1.5), 30.0, 96, 0.01292),  # opacity 0.441
    ],
)
@pytest.mark.parametrize("ask", [Everywhere, Skipping])
def test_density_of_any_scale_is_seen(ask, field, scale, coarse, length) -> None:
    s = replace(PIGAN, coarse=coarse, density_scale=scale, fine=0)
    out = render(field, image_rays(8, (0.0, 0.0)), s, ask=ask)
    depth = field.logit * scale  # density
    opacity = 1 - math.exp(-depth * length)
    spacing = 0.24 / coarse  # by which lengths may be counted short or long
    between = sorted(1 - math.exp(-depth * max(length + x, 0)) for x in (-spacing, spacing))
    middle = float(out.alpha[0, 27])  # beside the image's centre
    assert between[0] - 1e-6 <= middle <= between[1] + 1e-6, (middle, opacity)
    check(differences(reference(field, image_rays(8, (0.0, 0.0)), s, out), out), s, True)


@pytest.mark.parametrize("count", [256, 1023, 1024, 4096])
def test_random_rays_lose_no_hit(count) -> None:
    """However many: an even square of them is no image."""
    s = replace(GOF, coarse=48)
    rays = random_rays(count, 0, (0.0, 0.0))
    out = render(sphere(0.05), rays, s)
    away = torch.linalg.cross(rays.origins, rays.directions).norm(dim=-1)
    inside = away < 0.0497  # so far from the rim that a coarse sample lies inside
    assert inside.sum() > count / 8
    assert bool(out.hit[inside].all()) and not bool(out.hit[away > 0.05].any())
    plain = render(sphere(0.05), rays, s, ask=Everywhere)
    assert torch.equal(out.hit, plain.hit)
    torch.testing.assert_close(out.rgb, plain.rgb, atol=1e-3, rtol=0)


def test_what_nearly_shows_is_shown() -> None:
    """Fog that no sample shows but all together do: opacity 15 / 400 of a pixel."""
    s = replace(GOF, surface=12, fine=3, coarse=9)
    for logit in (-6.1, -7.0):
        out = render(Fog(logit), image_rays(8, (0.0, 0.0)), s)
        expected = 1 - (1 - 1 / (1 + math.exp(-logit))) ** 15
        torch.testing.assert_close(out.alpha, torch.full_like(out.alpha, expected))


def test_hits_of_a_wide_shape_are_all_found_at_its_rim() -> None:
    """Where two pixels of an even row and column lie beside the shape, one between them inside."""
    for seed in range(6):
        x, y = (0.003 * (seed % 3), 0.004 * (seed // 3))
        field = Ellipsoid((0.06, 0.06, 0.06), (x, y, 0.0), sharpness=20000.0)
        rays = image_rays(32, (0.0, 0.0))
        s = replace(GOF, coarse=64)
        skipped, plain = (render(field, rays, s, ask=ask) for ask in (Skipping, Everywhere))
        assert torch.equal(skipped.hit, plain.hit)
        assert (skipped.alpha - plain.alpha).abs().max() <= 1e-3 + LEAST


TWO = Union(
    Ellipsoid((0.03, 0.03, 0.03), (-0.032, 0.0, 0.0), 3000.0),
    Ellipsoid((0.03, 0.03, 0.03), (0.032, 0.01, 0.0), 300.0),
)


@pytest.mark.parametrize("shape", [Bent(), TWO, Filled(sphere(0.05), 8.0), bumpy(0), bumpy(1)])
def test_images_of_shapes_that_are_not_convex_or_jump(shape) -> None:
    """Lines say little of them; but what lies beside something seen is looked at in any case."""
    s = replace(GOF, coarse=24)
    for pose in ((0.0, 0.0), (0.5, 0.2), (-0.6, -0.1)):
        rays = camera_rays(torch.tensor([pose]), 24, FOV)
        with torch.no_grad():
            skipped, plain = (render(shape, rays, s, ask=ask) for ask in (Skipping, Everywhere))
        assert torch.equal(skipped.hit, plain.hit)
        assert (skipped.alpha - plain.alpha).abs().max() <= LEAST
