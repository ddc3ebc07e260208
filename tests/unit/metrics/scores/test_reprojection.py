"""One view carried into another, against shapes and colours that are known."""

from dataclasses import replace

import pytest
import torch

from gof.fields.analytic import Ellipsoid
from gof.geometry.cameras import camera_rays
from gof.geometry.settings import Camera
from gof.metrics.scores.reprojection import Seen, reprojection
from gof.rendering.interface import RenderSettings
from gof.rendering.render import render
from gof.rendering.settings import Sampling

SIZE, FOV, SLACK = 48, 12.0, 0.01
SAMPLING = Sampling(coarse=24, secant=4, surface=12, fine=0)
SETTINGS = RenderSettings.of("occupancy", SAMPLING, 0.01, (Camera(), (1.0, 1.0, 1.0)))
BODY = Ellipsoid((0.06, 0.08, 0.07), sharpness=20000.0)


def seen(field, yaw: float, pitch: float = 0.0) -> Seen:
    poses = torch.tensor([[yaw, pitch]])
    out = render(field, camera_rays(poses, SIZE, FOV), SETTINGS)
    square = (SIZE, SIZE)
    rgb = out.rgb.mT.unflatten(-1, square)
    return Seen(rgb, out.depth.unflatten(-1, square), out.hit.unflatten(-1, square), poses)


def test_a_view_agrees_with_itself() -> None:
    view = seen(BODY, 0.2)
    error, share = reprojection(view, view, FOV, SLACK)
    assert error.item() < 1e-3 and share.item() > 0.9  # bilinear rims are left out


@pytest.mark.parametrize(("yaw", "pitch"), [(0.3, 0.0), (-0.2, 0.2)])
def test_two_views_of_a_body_whose_colour_is_its_own_agree(yaw, pitch) -> None:
    error, share = reprojection(seen(BODY, -yaw), seen(BODY, yaw, pitch), FOV, SLACK)
    assert error.item() < 0.01
    assert 0.5 < share.item() < 1


@pytest.mark.parametrize("shift", [0.1, 0.4])
def test_a_colour_that_changes_with_the_view_counts_as_it_is(shift) -> None:
    one, other = seen(BODY, -0.2), seen(BODY, 0.2)
    plain, _ = reprojection(one, other, FOV, SLACK)
    moved, _ = reprojection(one, replace(other, rgb=other.rgb + 2 * shift), FOV, SLACK)
    assert moved.item() == pytest.approx(shift, abs=1.5 * plain.item())


def test_what_only_one_view_sees_is_not_compared() -> None:
    one, other = seen(BODY, -0.2), seen(BODY, 0.2)
    near = replace(one, depth=one.depth - 0.3)  # something stands before it
    error, share = reprojection(near, other, FOV, SLACK)
    assert error.isnan().all() and share.item() == 0
    gone = replace(one, solid=torch.zeros_like(one.solid))
    assert reprojection(gone, other, FOV, SLACK)[1].item() == 0


def test_a_wrong_depth_shows_as_a_difference_of_colours() -> None:
    one, other = seen(BODY, -0.3), seen(BODY, 0.3)
    right, _ = reprojection(one, other, FOV, 1.0)
    flat = replace(other, depth=torch.full_like(other.depth, 1.0))
    assert reprojection(one, flat, FOV, 1.0)[0].item() > 5 * right.item()
