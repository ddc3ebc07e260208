"""The region that the jaw line bounds, on an ellipsoid with a drawn jaw line; errors."""

import numpy as np
import torch

from gof.morphable.landmarks import face_region, nme_percent


def ellipsoid():
    """Points [n, 3] of a head, x to the side, y up, z ahead, and where each is seen from its
    middle: azimuth and elevation."""
    elevation, azimuth = np.meshgrid(np.linspace(-1.5, 1.5, 61), np.linspace(-np.pi, np.pi, 121))
    elevation, azimuth = elevation.ravel(), azimuth.ravel()
    flat = np.cos(elevation)
    unit = np.stack([flat * np.sin(azimuth), np.sin(elevation), flat * np.cos(azimuth)], -1)
    return unit * 0.08, azimuth, elevation


def test_the_face_is_ahead_of_the_ears_and_above_the_jaw():
    points, azimuth, elevation = ellipsoid()
    # from ear to ear, deepest in the middle; then 51 others somewhere
    at = np.linspace(-np.pi / 2, np.pi / 2, 17)
    jaw = [int(((azimuth - a) ** 2 + (elevation + 0.8 * np.cos(a)) ** 2).argmin()) for a in at]
    landmarks = np.array(jaw + list(range(51)))
    found = face_region(points, landmarks)
    assert found[jaw].all()
    step = 0.06  # of the mesh
    inside = (abs(azimuth) < np.pi / 2 - step) & (elevation > -0.8 * np.cos(azimuth) + step)
    outside = (abs(azimuth) > np.pi / 2 + step) | (elevation < -0.8 * np.cos(azimuth) - step)
    assert found[inside].all() and inside.sum() > 1000
    assert not found[outside].any() and outside.sum() > 1000


def test_it_does_not_depend_on_place_size_or_the_order_of_sides():
    points, azimuth, elevation = ellipsoid()
    at = np.linspace(-1.5, 1.5, 17)
    jaw = [int(((azimuth - a) ** 2 + (elevation + 0.4) ** 2).argmin()) for a in at]
    landmarks = np.array(jaw + [0] * 51)
    found = face_region(points, landmarks)
    np.testing.assert_array_equal(face_region(points * 3 + (0.1, -0.2, 0.5), landmarks), found)
    mirrored = np.array(jaw[::-1] + [0] * 51)
    np.testing.assert_array_equal(face_region(points, mirrored), found)


def test_landmark_error_is_in_percent_of_the_outer_eye_distance():
    truth = torch.zeros(2, 68, 2)
    truth[:, 36], truth[:, 45] = torch.tensor([-0.2, 0.1]), torch.tensor([0.2, 0.4])
    found = truth + torch.tensor([0.03, -0.04])
    found[1] = truth[1]
    torch.testing.assert_close(nme_percent(found, truth), torch.tensor([10.0, 0.0]))
