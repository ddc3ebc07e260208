import math
from dataclasses import asdict, replace

import pytest
import torch

from gof.fields.analytic import Ellipsoid, sphere
from gof.geometry.cameras import camera_rays
from gof.geometry.settings import Camera
from gof.models.generator import Generator
from gof.rendering.interface import Guide, RenderSettings
from gof.rendering.query import Everywhere
from gof.rendering.render import render, render_moved
from gof.rendering.settings import Sampling
from gof.run import rng
from tests.unit.small_networks import networks

GOF = RenderSettings(
    integrator="occupancy",
    coarse=24,
    secant=8,
    surface=8,
    fine=0,
    tau=0.5,
    density_scale=30.0,
    near=0.88,
    far=1.12,
    half_width=0.02,
    background=(1.0, 1.0, 1.0),
)
PIGAN = replace(GOF, integrator="density", surface=0, fine=24, coarse=48)
POSES = torch.tensor([[0.0, 0.0], [0.5, 0.2]])


def sphere_depth(rays, radius):
    """Distance to a sphere around the origin along each ray; infinite where it misses."""
    b = (rays.origins * rays.directions).sum(-1)
    inside = b**2 - (1 - radius**2)
    return torch.where(inside >= 0, -b - inside.clamp_min(0).sqrt(), math.inf)


def test_sphere_depth_and_mask() -> None:
    rays = camera_rays(POSES, 32, 12.0)
    truth = sphere_depth(rays, 0.08)
    out = render(sphere(0.08), rays, GOF)
    clear = (truth < 1.05) | truth.isinf()  # away from the grazing rim
    assert torch.equal(out.hit[clear], truth.isfinite()[clear])
    sure = out.hit & (truth < 1.05)
    assert (out.surface_t - truth)[sure].abs().max() < 2e-4
    assert (out.depth - truth)[sure].abs().max() < 0.04 / 8 + 1e-3
    assert (out.alpha[sure] > 0.99).all()


def test_one_sample_at_the_surface_renders_the_surface() -> None:
    rays = camera_rays(POSES[:1], 16, 12.0)
    field = sphere(0.08, sharpness=1e5)
    out = render(field, rays, replace(GOF, surface=1, half_width=0.0, secant=12, tau=0.999))
    truth = sphere_depth(rays, 0.08)
    sure = out.hit & (truth < 0.97)  # secant steps converge slowly on grazing rays
    torch.testing.assert_close(out.depth[sure], truth[sure], atol=2e-4, rtol=0)


def test_density_renders_the_same_sphere_and_background() -> None:
    rays = camera_rays(POSES, 16, 12.0)
    out = render(sphere(0.08, sharpness=2000), rays, PIGAN)
    truth = sphere_depth(rays, 0.08)
    sure = truth < 0.95  # grazing rays see a thin shell of density
    assert (out.depth - truth)[sure].abs().max() < 0.01
    torch.testing.assert_close(out.rgb[truth.isinf()], torch.ones(int(truth.isinf().sum()), 3))


def test_samples_are_sorted_and_weights_at_most_one() -> None:
    rays = camera_rays(POSES, 8, 12.0)
    for settings in (replace(GOF, fine=5), PIGAN):
        out = render(sphere(0.08), rays, settings, rng.streams(0, "jitter", range(2)))
        assert (out.t.diff() >= 0).all()
        assert (out.alpha <= 1 + 1e-5).all() and (out.weights >= 0).all()
        assert out.t.min() >= 0.88 - 1e-6 and out.t.max() <= 1.12 + 1e-6


@pytest.mark.parametrize(
    ("field", "hit"),
    [
        (Ellipsoid((0.001,) * 3, centre=(5.0, 0.0, 0.0)), False),  # empty
        (sphere(3.0), False),  # full: the first sample is inside
        (Ellipsoid((0.5, 0.5, 2e-2)), True),  # a thin wall
    ],
)
def test_odd_fields_give_finite_pictures(field, hit) -> None:
    rays = camera_rays(POSES[:1], 8, 12.0)
    for settings in (GOF, PIGAN):
        out = render(field, rays, settings)
        assert bool(out.hit.all()) is hit and bool(out.hit.any()) is hit
        for tensor in (out.rgb, out.depth, out.weights, out.surface_t):
            assert torch.isfinite(tensor).all()


def test_an_image_does_not_depend_on_its_batch() -> None:
    generator = Generator(networks(layers=2, width=16))
    generator.reset(0)
    z = rng.streams(0, "z", range(3)).normal(64)
    rays = camera_rays(torch.zeros(3, 2), 8, 12.0)
    together = render(
        generator.bind(generator.style(z)), rays, GOF, rng.streams(0, "jitter", range(3))
    )
    alone = camera_rays(torch.zeros(1, 2), 8, 12.0)
    one = render(generator.bind(generator.style(z[2:])), alone, GOF, rng.streams(0, "jitter", [2]))
    torch.testing.assert_close(together.rgb[2], one.rgb[0], atol=1e-5, rtol=0)


def test_gradient_reaches_every_weight_through_the_renderer() -> None:
    for settings in (GOF, PIGAN):
        generator = Generator(networks(layers=3, width=16))
        generator.reset(0)
        z = rng.streams(0, "z", range(2)).normal(64)
        with torch.autocast("cpu", torch.bfloat16):
            field = generator.bind(generator.style(z))
            out = render(field, camera_rays(POSES, 12, 12.0), settings)
            out.rgb.square().mean().backward()
        for name, parameter in generator.named_parameters():
            assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


class Spy:
    """A field that remembers where it was asked."""

    def __init__(self, field) -> None:
        self.field, self.points = field, None

    def logits(self, points):
        return self.field.logits(points)

    def radiance(self, points, directions):
        self.points = points
        return self.field.radiance(points, directions)


GUIDED = {
    "occupancy, shell": GOF,
    "occupancy, shell and importance": replace(GOF, fine=4),
    "density, all three": replace(PIGAN, surface=6),
}


@pytest.mark.parametrize("settings", GUIDED.values(), ids=GUIDED)
def test_every_sample_is_where_its_t_says(settings) -> None:
    rays = camera_rays(POSES, 8, 12.0)
    truth = sphere_depth(rays, 0.07)
    guide = Guide(torch.where(truth.isfinite(), truth, 0.0), truth.isfinite())
    spy = Spy(sphere(0.08, sharpness=20))  # so soft that every ray may show something
    out = render(spy, rays, settings, rng.streams(0, "jitter", range(2)), guide)
    torch.testing.assert_close(spy.points.reshape(2, 64, -1, 3), rays.at(out.t))
    assert (out.t.diff() >= 0).all()


def test_a_guide_moves_the_interval_and_only_on_its_rays() -> None:
    rays = camera_rays(POSES, 16, 12.0)
    truth = sphere_depth(rays, 0.06)
    guide = Guide(torch.where(truth.isfinite(), truth, 0.0), truth.isfinite())
    free = render(sphere(0.08), rays, GOF)
    out = render(sphere(0.08), rays, GOF, guide=guide)
    shell = (out.t - guide.depth[..., None]).abs()[guide.mask]
    assert shell.max() <= GOF.half_width + 1e-6
    assert torch.equal(out.t[~guide.mask], free.t[~guide.mask])
    assert torch.equal(out.surface_t, free.surface_t)


def test_a_guide_tells_where_to_look_where_the_field_has_no_surface() -> None:
    rays = camera_rays(POSES, 16, 12.0)
    truth = sphere_depth(rays, 0.06)
    guide = Guide(torch.where(truth.isfinite(), truth, 0.0), truth.isfinite())
    spy = Spy(Ellipsoid((0.001,) * 3, centre=(5.0, 0.0, 0.0)))
    out = render(spy, rays, GOF, guide=guide)
    assert not out.hit.any()
    assert (out.t - guide.depth[..., None]).abs()[guide.mask].max() <= GOF.half_width + 1e-6
    asked = int(guide.mask.sum(1).max()) * GOF.surface
    assert spy.points.shape == (2, asked, 3)  # those rays, though nothing shows there


def test_samples_seen_through_a_moved_field() -> None:
    rays = camera_rays(POSES, 8, 12.0)
    by = torch.tensor([0.02, 0.0, -0.01])
    out = render(sphere(0.07), rays, GOF, ask=Everywhere)
    centred = Ellipsoid((0.07, 0.07, 0.07), centre=(0.02, 0.0, -0.01))
    moved = render_moved(centred, rays, out, GOF, by.expand(2, 64, 3))
    torch.testing.assert_close(moved.logits, out.logits, atol=1e-3, rtol=0)
    torch.testing.assert_close(moved.rgb, out.rgb, atol=1e-4, rtol=0)


def test_settings_are_those_of_the_model_the_camera_and_the_moment() -> None:
    sampling = Sampling(coarse=11, secant=5, surface=7, fine=2, tau=0.3, density_scale=17.0)
    camera, background = Camera(near=0.7, far=1.4), (0.1, -0.2, 0.3)
    for integrator in ("occupancy", "density"):
        found = asdict(RenderSettings.of(integrator, sampling, 0.05, (camera, background)))
        assert found == {
            "integrator": integrator,
            **sampling.model_dump(),
            "near": 0.7,
            "far": 1.4,
            "half_width": 0.05,
            "background": background,
            "density_noise": 0.0,
        }


def test_densities_are_noisy_in_training_alone() -> None:
    rays, noisy = camera_rays(POSES, 24, 12.0), replace(PIGAN, density_noise=6.0)
    plain = render(sphere(0.08), rays, PIGAN, rng.streams(1, "jitter", range(2)))
    found = render(sphere(0.08), rays, noisy, rng.streams(1, "jitter", range(2)))
    assert torch.equal(found.t, plain.t) and torch.equal(found.hit, plain.hit)
    off = (found.logits - plain.logits) * noisy.density_scale
    inside = plain.logits.abs() < 1  # of larger ones float32 keeps fewer digits
    assert off[inside].std().item() == pytest.approx(6.0, rel=0.05)
    assert abs(off[inside].mean().item()) < 0.2
    assert torch.equal(render(sphere(0.08), rays, noisy).rgb, render(sphere(0.08), rays, PIGAN).rgb)
