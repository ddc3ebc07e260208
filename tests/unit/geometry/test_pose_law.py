"""The law of poses is found from poses."""

import pytest
import torch

from gof.geometry.cameras import sample_poses
from gof.geometry.pose_law import fitted_law
from gof.geometry.settings import Camera
from gof.run.rng import streams

LAWS = {
    "gaussian": Camera(law="gaussian", yaw=0.25, pitch=0.1, yaw_mean=0.1, pitch_mean=-0.05),
    "sphere": Camera(law="sphere", elevation=(0.1, 1.2)),
}


@pytest.mark.parametrize("law", LAWS)
def test_the_camera_that_poses_were_drawn_from_is_found(law):
    camera = LAWS[law]
    own = fitted_law(Camera(law="uniform"), sample_poses(camera, streams(0, "test", range(4000))))
    assert own.law == law
    if law == "sphere":
        assert own.elevation == pytest.approx(camera.elevation, abs=0.02)
    else:
        found = (own.yaw, own.pitch, own.yaw_mean, own.pitch_mean)
        expected = (camera.yaw, camera.pitch, camera.yaw_mean, camera.pitch_mean)
        assert found == pytest.approx(expected, abs=0.01)


def test_a_few_poses_far_away_change_nothing():
    poses = sample_poses(LAWS["gaussian"], streams(0, "test", range(2000)))
    poses[:10] = torch.tensor([3.0, 1.5])
    own = fitted_law(Camera(), poses)
    assert (own.yaw, own.pitch) == pytest.approx((0.25, 0.1), abs=0.01)


def test_one_pose_has_no_spread():
    own = fitted_law(Camera(), torch.tensor([[0.2, 0.1]]))
    assert (own.yaw, own.pitch, own.yaw_mean, own.pitch_mean) == (0, 0, 0.2, 0.1)
