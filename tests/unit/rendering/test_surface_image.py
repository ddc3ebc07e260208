import torch

from gof.fields.analytic import sphere
from gof.geometry.cameras import camera_rays
from gof.rendering.render import render
from gof.rendering.surface_image import surface_image
from tests.unit.rendering.test_render import GOF, POSES
from tests.unit.rendering.test_skipping import Counter


def test_one_colour_a_ray_looks_like_the_composite() -> None:
    rays = camera_rays(POSES, 64, 12.0)
    field = Counter(sphere(0.07, sharpness=4000))
    rgb, surface_t = surface_image(field, rays, GOF)
    assert field.colour_points < 0.45 * surface_t.numel()
    covered = float((surface_t < GOF.far).float().mean())
    coarse = sum(field.logit_calls[: -GOF.secant]) / (surface_t.numel() * GOF.coarse)
    assert coarse < 0.25 + covered  # a quarter of the rays, and those near the shape
    full = render(sphere(0.07, sharpness=4000), rays, GOF)
    torch.testing.assert_close(surface_t, full.surface_t)
    error = (rgb - full.rgb).square()[full.hit | (full.alpha < 1e-3)].mean()
    assert -10 * torch.log10(error / 4) > 35
    assert torch.equal(rgb[~full.hit], torch.ones_like(rgb[~full.hit]))
