"""Tri-planes against a lookup pixel by pixel, and through renderer, losses and steps."""

import itertools
import math

import pytest
import torch
from pydantic import ValidationError

from gof.fields.kinds.triplane import TriplaneSettings
from gof.fields.triplane import PLANES, Triplane
from gof.geometry.cameras import camera_rays
from gof.geometry.settings import Camera
from gof.losses.field import normal_smoothness
from gof.models.generator import Generator
from gof.models.settings import Networks
from gof.rendering.interface import RenderSettings
from gof.rendering.render import render
from gof.rendering.settings import Sampling
from gof.rendering.surface import normals

SMALL = {"name": "triplane", "resolution": 8, "features": 3, "channels": 6, "style": 5, "width": 7}


@pytest.fixture(autouse=True)
def draws():
    torch.manual_seed(0)


def make(**changes):
    generator = torch.Generator().manual_seed(0)
    triplane = Triplane(TriplaneSettings(**(SMALL | changes)))
    triplane.reset(generator)
    style = torch.randn(2, triplane.style_size, generator=generator)
    points = (torch.rand(2, 50, 3, generator=generator) - 0.5) * 0.3  # some lie outside
    directions = torch.nn.functional.normalize(torch.randn(2, 50, 3, generator=generator), dim=-1)
    return triplane, style, points, directions


def looked_up(planes, point, side):
    """Mean of three bilinear lookups, the edge repeated: planes [3, features, r, r]."""
    r = planes.shape[-1]
    found = torch.zeros(planes.shape[1], dtype=torch.float64)
    for plane, (across, down) in zip(planes.double(), PLANES, strict=True):
        place = [
            min(max((float(point[a]) / side + 0.5) * (r - 1), 0), r - 1) for a in (across, down)
        ]
        low = [min(math.floor(x), r - 2) for x in place]
        for i, j in itertools.product((0, 1), repeat=2):
            x, y = low[0] + i, low[1] + j
            weight = (1 - abs(place[0] - x)) * (1 - abs(place[1] - y))
            found += weight * plane[:, y, x] / 3
    return found


def test_no_points_give_no_values() -> None:
    triplane, style, points, directions = make()
    rgb, logits = triplane.bind(style).radiance(points[:, :0], directions[:, :0])
    assert rgb.shape == (2, 0, 3) and logits.shape == (2, 0)


def test_logits_and_colours_are_those_of_a_lookup_pixel_by_pixel() -> None:
    triplane, style, points, directions = make()
    field, soft = triplane.bind(style), torch.nn.functional.softplus
    rgb, logits = field.radiance(points, directions)
    assert torch.equal(field.logits(points), logits)
    triplane.double()
    for b, n in itertools.product(range(2), range(50)):
        h = soft(triplane.hidden(looked_up(field.planes[b], points[b, n], 0.24)))
        logit = triplane.occupancy(h) * triplane.settings.logit_scale
        c = soft(triplane.colour_layer(torch.cat([directions[b, n].double(), h])))
        torch.testing.assert_close(logits[b, n].double(), logit[0], atol=1e-4, rtol=0)
        wanted = triplane.colour(c).sigmoid() * 2 - 1
        torch.testing.assert_close(rgb[b, n].double(), wanted, atol=1e-5, rtol=0)


def test_planes_have_the_size_that_is_asked_for_and_change_with_the_style() -> None:
    for resolution in (8, 32):
        triplane, style, *_ = make(resolution=resolution)
        planes = triplane.bind(style).planes
        assert planes.shape == (2, 3, 3, resolution, resolution)
        assert (planes[0] - planes[1]).abs().max() > 0.01
    with pytest.raises(ValidationError, match="power of two"):
        TriplaneSettings(resolution=24)


def started(**changes) -> Generator:
    generator = Generator(Networks.model_validate({"field": SMALL | changes}))
    generator.reset(0)
    return generator


def test_normals_are_those_of_the_start_shape_to_begin_with() -> None:
    generator = started()
    field = generator.bind(generator.style(torch.zeros(1, 64)))
    points = torch.nn.functional.normalize(torch.randn(1, 40, 3), dim=-1) * 0.085
    found = normals(field, points)
    assert not found.requires_grad
    assert (found * points / 0.085).sum(-1).min() > 0.8
    torch.testing.assert_close(found.norm(dim=-1), torch.ones(1, 40))


def test_smoothness_of_normals_teaches_the_planes() -> None:
    generator = started()
    field = generator.bind(generator.style(torch.randn(2, 64)))
    points = torch.randn(2, 30, 3) * 0.05
    loss = normal_smoothness(field, points, torch.ones(2, 30), torch.randn(2, 30, 3) * 0.005)
    loss.backward()
    taught = {n for n, p in generator.named_parameters() if p.grad is not None and p.grad.any()}
    assert {"field.planes.weight", "field.seed.weight", "field.hidden.weight"} <= taught
    assert "field.colour.weight" not in taught


@pytest.mark.parametrize("integrator", ["occupancy", "density"])
def test_it_renders_and_every_weight_is_taught(integrator) -> None:
    generator = started()
    surface = 4 if integrator == "occupancy" else 0
    sampling = Sampling(coarse=8, secant=2, surface=surface, fine=4)
    settings = RenderSettings.of(integrator, sampling, 0.05, (Camera(), (0.0, 0.0, 0.0)))
    field = generator.bind(generator.style(torch.randn(2, 64)))
    out = render(field, camera_rays(torch.zeros(2, 2), 16, 12.0), settings)
    assert 0.05 < out.hit.float().mean() < 0.9
    (out.rgb * torch.randn_like(out.rgb)).sum().backward()
    for name, parameter in generator.named_parameters():
        assert parameter.grad is not None and parameter.grad.any(), name
