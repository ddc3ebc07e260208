from dataclasses import replace

import pytest
import torch

from gof.fields.analytic import sphere
from gof.geometry.cameras import Rays, camera_rays
from gof.models.generator import Generator
from gof.rendering.query import Everywhere
from gof.rendering.render import Ask, render
from gof.rendering.skipping import EMPTY, SETTLED, Skipping, these_first
from gof.rendering.surface import first_crossing
from tests.unit.rendering.test_render import GOF, PIGAN, POSES
from tests.unit.small_networks import networks


class Counter:
    """A field that counts what it is asked."""

    def __init__(self, field) -> None:
        self.field, self.logit_calls, self.colour_points = field, [], 0

    def logits(self, points):
        self.logit_calls.append(points[..., 0].numel())
        return self.field.logits(points)

    def radiance(self, points, directions):
        self.colour_points += points[..., 0].numel()
        return self.field.radiance(points, directions)


@pytest.mark.parametrize("settings", [GOF, replace(GOF, fine=4), PIGAN])
def test_rays_that_show_nothing_are_not_evaluated(settings) -> None:
    rays = camera_rays(POSES, 32, 12.0)
    field = Counter(sphere(0.05))
    out = render(field, rays, settings)
    covered = float(out.hit.float().mean())
    assert 0.1 < covered < 0.3
    n, samples = out.hit.numel(), out.t.shape[-1]
    coarse = sum(field.logit_calls[: -settings.secant]) / (n * settings.coarse)
    # A quarter of the rays, those near the shape, up to it, and the few that could be.
    assert coarse < 0.255 + covered
    refined = sum(field.logit_calls[-settings.secant :])
    # As many rays an image as the image with most of them has; few need more than two steps.
    assert covered <= refined / n < 1.1 * covered * 2.5
    assert covered <= field.colour_points / (n * samples) < 1.4 * covered
    field = Counter(sphere(0.05))
    full = render(field, rays, settings, ask=Everywhere)
    assert field.colour_points == n * samples
    torch.testing.assert_close(out.rgb, full.rgb, atol=0.02, rtol=0)
    torch.testing.assert_close(out.surface_t, full.surface_t, atol=SETTLED, rtol=0)
    shown = (out.logits > EMPTY).any(-1)
    # Importance samples: what is hidden but for 1 / 400 has no weight.
    torch.testing.assert_close(out.t[shown], full.t[shown], atol=3 * SETTLED, rtol=0)


def test_gradients_hardly_miss_the_rays_left_out() -> None:
    def gradients(ask: Ask) -> list[torch.Tensor]:
        network = networks(layers=2, width=16, start={"radius": 0.05, "sharpness": 1000})
        generator = Generator(network).double()
        generator.reset(0)
        field = generator.bind(generator.style(torch.zeros(2, 64, dtype=torch.float64)))
        rays = camera_rays(POSES.double(), 16, 12.0)
        out = render(field, rays, replace(GOF, half_width=0.03), ask=ask)
        (out.rgb.square().mean() + out.logits.sigmoid().mean()).backward()
        return [p.grad for p in generator.field.parameters()]

    some = gradients(Skipping)
    for mine, full in zip(some, gradients(Everywhere), strict=True):
        assert (mine - full).norm() < 0.02 * full.norm()


def test_secant_asks_only_of_rays_that_still_move() -> None:
    """A straight line is solved at once, a bent one goes on; neither knows of the other."""
    asked = []

    class Powers:
        """Along rays on z from 0 to 1: t^1 - 0.5 on the first and last, t^9 - 0.5 on the second."""

        def logits(self, points):
            asked.append(points[0, :, 0].tolist())
            return points[..., 2] ** torch.where(points[..., 0] == 1, 9.0, 1.0) - 0.5

    origins = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [2, 0, 0]]])
    rays = Rays(origins, torch.tensor([0.0, 0, 1]).expand(1, 3, 3))
    t = torch.tensor([0.0, 1.0]).expand(1, 3, 2)
    query = Skipping(Powers(), rays, replace(GOF, secant=5))
    crossing = first_crossing(t, torch.tensor([-0.5, 0.5]).expand(1, 3, 2))
    root = query.refine(crossing)
    assert asked == [[0, 1, 2], [1], [1], [1], [1]]
    torch.testing.assert_close(root[0, ::2], torch.tensor([0.5, 0.5]))
    assert root[0, 1] > 0.75


def test_wanted_rays_come_first_and_fill_up_to_the_most() -> None:
    wanted = torch.tensor([[False, True, False, True], [False, False, True, False]])
    assert these_first(wanted).tolist() == [[1, 3], [2, 0]]
