import math

import pytest
import torch

from gof.geometry.cameras import (
    camera_axes,
    camera_rays,
    pixel_grid,
    plane_rays,
    project,
    sample_poses,
)
from gof.geometry.settings import Camera
from gof.run import rng

POSES = torch.tensor([[0.0, 0.0], [0.4, -0.2], [-1.0, 0.3]])


def test_frontal_camera_is_on_plus_z_and_looks_at_the_origin() -> None:
    rays = camera_rays(torch.zeros(1, 2), 3, 12.0)
    torch.testing.assert_close(rays.origins[0, 4], torch.tensor([0.0, 0.0, 1.0]))
    torch.testing.assert_close(rays.directions[0, 4], torch.tensor([0.0, 0.0, -1.0]))


def test_positive_yaw_moves_to_x_and_positive_pitch_to_y() -> None:
    _, _, back = camera_axes(torch.tensor([[0.3, 0.0], [0.0, 0.3]]))
    torch.testing.assert_close(back[0], torch.tensor([math.sin(0.3), 0.0, math.cos(0.3)]))
    torch.testing.assert_close(back[1], torch.tensor([0.0, math.sin(0.3), math.cos(0.3)]))


def test_axes_are_orthonormal_and_right_handed() -> None:
    axes = torch.stack(camera_axes(POSES), 1)
    torch.testing.assert_close(axes @ axes.mT, torch.eye(3).expand(3, 3, 3), atol=1e-6, rtol=0)
    torch.testing.assert_close(torch.linalg.det(axes), torch.ones(3))


def test_pixel_centres() -> None:
    grid = pixel_grid(2)
    expected = torch.tensor([[-0.5, 0.5], [0.5, 0.5], [-0.5, -0.5], [0.5, -0.5]])
    torch.testing.assert_close(grid, expected)


def test_rays_are_unit_and_project_back_to_their_pixels() -> None:
    rays = camera_rays(POSES, 8, 12.0)
    torch.testing.assert_close(rays.directions.norm(dim=-1), torch.ones(3, 64))
    t = torch.linspace(0.9, 1.1, 64).expand(3, 64)
    points = rays.at(t[..., None]).squeeze(2)
    plane, z_depth = project(points, POSES, 12.0)
    torch.testing.assert_close(plane, pixel_grid(8).expand(3, -1, -1), atol=2e-5, rtol=0)
    cosine = (rays.directions * -camera_axes(POSES)[2][:, None]).sum(-1)
    torch.testing.assert_close(z_depth, t * cosine, atol=1e-5, rtol=0)


@pytest.mark.parametrize("prior", ["gaussian", "uniform"])
def test_pose_prior_has_the_configured_spread(prior: str) -> None:
    camera = Camera(prior=prior, yaw=0.3, pitch=0.1)  # type: ignore[arg-type]
    poses = sample_poses(camera, rng.streams(0, "test", range(4000)))
    factor = 1.0 if prior == "gaussian" else 1 / math.sqrt(3)
    expected = torch.tensor([0.3, 0.1]) * factor
    torch.testing.assert_close(poses.std(0), expected, atol=0, rtol=0.05)
    assert poses.mean(0).abs().max() < 0.02


def test_only_rays_of_all_pixels_are_an_image() -> None:
    rays = camera_rays(POSES, 8, 12.0)
    assert rays.side == 8
    assert rays[:1].side == 8 and rays[1:].origins.shape == (2, 64, 3)
    assert rays.pick(torch.arange(64).expand(3, 64)).side is None
    assert plane_rays(pixel_grid(8), POSES, 12.0).side is None
