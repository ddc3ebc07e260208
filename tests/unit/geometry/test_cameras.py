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


def sampled(**settings) -> torch.Tensor:
    camera = Camera.model_validate(settings)
    return sample_poses(camera, rng.streams(0, "test", range(4000)))


@pytest.mark.parametrize("law", ["gaussian", "uniform"])
@pytest.mark.parametrize("mean", [(0.0, 0.0), (0.5, -0.4)])
def test_poses_have_the_configured_mean_and_spread(law: str, mean: tuple[float, float]) -> None:
    poses = sampled(law=law, yaw=0.3, pitch=0.1, yaw_mean=mean[0], pitch_mean=mean[1])
    factor = 1.0 if law == "gaussian" else 1 / math.sqrt(3)
    expected = torch.tensor([0.3, 0.1]) * factor
    torch.testing.assert_close(poses.std(0), expected, atol=0, rtol=0.05)
    assert (poses.mean(0) - torch.tensor(mean)).abs().max() < 0.02
    assert abs(float(torch.corrcoef(poses.T)[0, 1])) < 0.05
    kurtosis = ((poses - poses.mean(0)) / poses.std(0)).pow(4).mean(0)
    torch.testing.assert_close(
        kurtosis, torch.full((2,), 3.0 if law == "gaussian" else 1.8), atol=0, rtol=0.1
    )


def test_uniform_poses_fill_their_bounds_and_no_more() -> None:
    poses = sampled(law="uniform", yaw=0.3, pitch=0.1, yaw_mean=0.5, pitch_mean=-0.4)
    off = (poses - torch.tensor([0.5, -0.4])) / torch.tensor([0.3, 0.1])
    assert off.abs().max() <= 1 + 1e-6
    assert off.max() > 0.99 and off.min() < -0.99


def test_means_shift_the_same_draws() -> None:
    plain = sampled(yaw=0.3, pitch=0.1)
    unit = rng.streams(0, "test", range(4000)).normal(2)
    assert torch.equal(plain, unit * torch.tensor([0.3, 0.1]))
    moved = sampled(yaw=0.3, pitch=0.1, yaw_mean=0.2, pitch_mean=0.1)
    torch.testing.assert_close(moved - plain, torch.tensor([0.2, 0.1]).expand(4000, 2))


def test_without_spread_all_look_from_the_mean() -> None:
    poses = sampled(yaw=0, pitch=0, yaw_mean=0.3, pitch_mean=-0.2)
    assert torch.equal(poses, torch.tensor([[0.3, -0.2]]).expand(4000, 2))


@pytest.mark.parametrize(
    ("low", "high"), [(-math.pi / 2, math.pi / 2), (0.0, math.pi / 2), (-0.3, 0.8), (0.4, 0.4)]
)
def test_cameras_on_the_sphere_are_spread_over_its_area(low: float, high: float) -> None:
    poses = sampled(law="sphere", elevation=[low, high], yaw=0.1, pitch=0.1, yaw_mean=2.0)
    yaw, sine = poses[:, 0], poses[:, 1].sin()
    assert yaw.abs().max() <= math.pi and yaw.max() > 3.13 and yaw.min() < -3.13
    assert abs(float(yaw.mean())) < 0.1
    torch.testing.assert_close(float(yaw.var()), math.pi**2 / 3, atol=0, rtol=0.05)
    bottom, top = math.sin(low), math.sin(high)
    assert poses[:, 1].min() >= low - 1e-3 and poses[:, 1].max() <= high + 1e-3
    assert abs(float(sine.mean()) - (bottom + top) / 2) < 0.03 * (top - bottom) + 1e-6
    variance = (top - bottom) ** 2 / 12
    torch.testing.assert_close(float(sine.var()), variance, atol=1e-9, rtol=0.06)
    # Second moments of where they stand: x and z share what the height leaves.
    squared = variance + ((bottom + top) / 2) ** 2
    moments = camera_axes(poses)[2].square().mean(0)
    expected = torch.tensor([(1 - squared) / 2, squared, (1 - squared) / 2])
    torch.testing.assert_close(moments, expected, atol=0.02, rtol=0)


@pytest.mark.parametrize("law", ["gaussian", "uniform", "sphere"])
def test_a_pose_does_not_depend_on_the_batch_it_is_in(law: str) -> None:
    camera = Camera(law=law)  # type: ignore[arg-type]
    alone = sample_poses(camera, rng.streams(0, "test", [17]))
    assert torch.equal(alone[0], sampled(law=law)[17])


def test_poles_are_seen_the_right_way_round() -> None:
    poses = torch.tensor([[0.7, math.pi / 2], [-2.0, -math.pi / 2], [math.pi, 0.0]])
    axes = torch.stack(camera_axes(poses), 1)
    torch.testing.assert_close(axes @ axes.mT, torch.eye(3).expand(3, 3, 3), atol=1e-6, rtol=0)
    torch.testing.assert_close(torch.linalg.det(axes), torch.ones(3))


@pytest.mark.parametrize(
    "odd",
    [
        {"near": 1.2, "far": 1.1},
        {"near": 1.0, "far": 1.0},
        {"near": 0.0},
        {"fov_deg": 120},
        {"fov_deg": 0},
        {"yaw": -0.1},
        {"pitch": 3.2},
        {"yaw_mean": 3.2},
        {"elevation": [0.5, 0.4]},
        {"elevation": [-1.6, 0.4]},
        {"elevation": [0.1]},
        {"law": "cone"},
    ],
)
def test_cameras_that_cannot_be_are_refused(odd) -> None:
    with pytest.raises(ValueError, match=next(iter(odd))):
        Camera.model_validate(odd)


def test_only_rays_of_all_pixels_are_an_image() -> None:
    rays = camera_rays(POSES, 8, 12.0)
    assert rays.side == 8
    assert rays[:1].side == 8 and rays[1:].origins.shape == (2, 64, 3)
    assert rays.pick(torch.arange(64).expand(3, 64)).side is None
    assert plane_rays(pixel_grid(8), POSES, 12.0).side is None
