import math

import pytest
import torch

from gof.fields.analytic import sphere
from gof.fields.film_siren import FilmSiren
from gof.fields.kinds.film_siren import FilmSirenSettings
from gof.losses.field import normal_smoothness, opacity_prior


@pytest.mark.parametrize(("occupancy", "expected"), [(0.0, 0.0), (1.0, 0.0), (0.5, 1.1856)])
def test_opacity_prior_values(occupancy: float, expected: float) -> None:
    value = float(opacity_prior(torch.full((4,), occupancy)))
    assert value == pytest.approx(expected, abs=1e-4)


def test_opacity_prior_acts_on_the_occupancy_head_and_not_on_colour() -> None:
    siren = FilmSiren(FilmSirenSettings(layers=2, width=8))
    siren.reset(torch.Generator().manual_seed(0))
    style = torch.zeros(1, siren.style_size)
    points = torch.rand(1, 50, 3, generator=torch.Generator().manual_seed(1)) * 0.1
    _, logits = siren.bind(style).radiance(points, torch.zeros_like(points))
    opacity_prior(logits.sigmoid()).backward()
    assert siren.occupancy.weight.grad is not None
    assert siren.occupancy.weight.grad.abs().max() > 0
    on_colour = siren.colour.weight.grad
    assert on_colour is None or not on_colour.any()


def test_opacity_prior_drives_to_both_ends() -> None:
    occupancy = torch.tensor([0.3, 0.7], requires_grad=True)
    opacity_prior(occupancy).backward()
    assert occupancy.grad is not None
    assert occupancy.grad[0] > 0 > occupancy.grad[1]


def test_normal_smoothness_of_a_sphere() -> None:
    # Turning by angle a changes a unit normal by 2 sin(a / 2); the mean is over 3 components.
    points = torch.tensor([[[0.0, 0.0, 0.1]]])
    offset = torch.tensor([[[0.01, 0.0, 0.0]]])
    hit = torch.tensor([[True]])
    angle = torch.atan(torch.tensor(0.1))
    expected = (2 * torch.sin(angle / 2)) ** 2 / 3
    torch.testing.assert_close(normal_smoothness(sphere(0.1), points, hit, offset), expected)


def test_normal_smoothness_without_a_hit_is_zero_with_a_graph() -> None:
    siren = FilmSiren(FilmSirenSettings(layers=2, width=8))
    siren.reset(torch.Generator().manual_seed(0))
    field = siren.bind(torch.zeros(1, siren.style_size))
    points = torch.full((1, 4, 3), 0.02)
    loss = normal_smoothness(field, points, torch.zeros(1, 4, dtype=torch.bool), points * 0.1)
    assert float(loss) == 0
    loss.backward()
    assert siren.layers[0].weight.grad is not None


def test_opacity_prior_is_a_mean_of_logarithms() -> None:
    occupancy = torch.rand(2, 3, 4, generator=torch.Generator().manual_seed(0))
    values = [math.log(0.1 + o) + math.log(1.1 - o) - math.log(0.11) for o in occupancy.flatten()]
    prior = opacity_prior(occupancy)
    assert prior.shape == () and float(prior) == pytest.approx(sum(values) / 24, rel=1e-5)


def test_normal_smoothness_is_a_mean_over_the_rays_that_hit() -> None:
    own = torch.Generator().manual_seed(0)
    points = torch.nn.functional.normalize(torch.randn(2, 5, 3, generator=own), dim=-1) * 0.1
    offset = torch.randn(2, 5, 3, generator=own) * 0.05
    hit = torch.tensor([[True, False, True, True, False], [False] * 4 + [True]])
    errors = []
    for i, k in hit.nonzero().tolist():
        # A sphere's normals point from its middle.
        there = points[i, k] + offset[i, k]
        here = points[i, k] / points[i, k].norm()
        errors.append(float((here - there / there.norm()).square().mean()))
    found = normal_smoothness(sphere(0.1), points, hit, offset)
    assert float(found) == pytest.approx(sum(errors) / 4, rel=1e-4)
    one = torch.zeros_like(hit)
    one[1, 4] = True
    alone = normal_smoothness(sphere(0.1), points, one, offset)
    assert float(alone) == pytest.approx(errors[-1], rel=1e-4)


def test_normal_smoothness_teaches_the_field() -> None:
    siren = FilmSiren(FilmSirenSettings(layers=2, width=8))
    siren.reset(torch.Generator().manual_seed(0))
    points = torch.full((1, 4, 3), 0.02)
    field = siren.bind(torch.zeros(1, siren.style_size))
    hit = torch.ones(1, 4, dtype=torch.bool)
    normal_smoothness(field, points, hit, points * 0.3).backward()
    assert siren.layers[0].weight.grad.abs().max() > 0
