"""From where a face is seen, by its landmarks alone."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from gof.morphable.landmarks import FIRST_INNER

# x, y, z of the 68 landmarks of the mean CC0 head, camera radii; a test holds them to the model.
MEAN_LANDMARKS = Path(__file__).with_name("mean_landmarks.csv")

# Detectors slide the rest of the jaw line along the visible outline, as the head turns and nods.
STEADY = [8, *range(FIRST_INNER, 68)]


@cache
def mean_landmarks() -> np.ndarray:
    """Landmarks [68, 3] of the mean head in the world, camera radii."""
    return np.loadtxt(MEAN_LANDMARKS, delimiter=",", skiprows=1)


def estimated_pose(points: np.ndarray, fov_deg: float) -> tuple[float, float]:
    """Yaw and pitch, radians, of the camera that sees landmarks [68, 2] of a face on its image
    plane (x right, y up, the image spans [-1, 1]), wherever they lie there: those of the mean head
    in the place that brings them nearest, as if every face were a mean one.

    Terzakis and Lourakis, "A consistently fast and globally optimal solution to the
    perspective-n-point problem" (2020), by OpenCV.
    """
    focal = 1 / math.tan(math.radians(fov_deg) / 2)
    lens = np.diag([focal, focal, 1.0])
    seen = np.ascontiguousarray(points[STEADY] * (1, -1), np.float64)
    mean, how = mean_landmarks()[STEADY], cv2.SOLVEPNP_SQPNP
    _, turn, _ = cv2.solvePnP(mean, seen, lens, None, flags=how)
    matrix, _ = cv2.Rodrigues(turn)
    x, y, z = -matrix[2]  # the way from the head to the camera, which looks along its own z
    return math.atan2(x, z), math.asin(min(max(y, -1.0), 1.0))
