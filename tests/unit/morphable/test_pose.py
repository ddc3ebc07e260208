"""Poses of faces from their landmarks."""

import numpy as np
import pytest
import torch

from gof.geometry.cameras import project
from gof.morphable.pose import estimated_pose, mean_landmarks

FOV = 12.0


@pytest.mark.parametrize("pose", [(0.0, 0.0), (0.5, 0.1), (-0.7, -0.3), (0.1, 0.4)])
@pytest.mark.parametrize(("scale", "shift"), [(1, (0, 0)), (1, (0.1, -0.2)), (0.8, (0, 0))])
def test_of_the_mean_head_it_is_found_wherever_it_lies(pose, scale, shift):
    points = torch.from_numpy(mean_landmarks()).float()[None]
    seen = project(points, torch.tensor([pose]), FOV)[0][0].numpy()
    found = estimated_pose(scale * seen + np.array(shift), FOV)
    exact = scale == 1 and shift == (0, 0)
    # what is seen beside the axis is seen from the side: 6 degrees at the edge of the image
    assert found == pytest.approx(pose, abs=1e-4 if exact else 0.03)
