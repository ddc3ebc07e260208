"""Photographs of people as they are, cut so that every face lies where a rendered one does."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from threading import Lock

import cv2
import numpy as np
from PIL import Image

from gof.data.collection import Cut, Other, resized
from gof.data.manifest import ESTIMATED
from gof.data.shards import Arrays
from gof.morphable.detector import Find
from gof.morphable.pose import estimated_pose

# Eyes, tip of the nose and corners of the mouth of a frontal head of the default data set, on the
# image plane (x right, y up): means of 280 renders with yaw and pitch below 0.06.
PLACES = np.array(
    [[-0.221, -0.013], [0.222, -0.013], [0.001, -0.298], [-0.186, -0.496], [0.187, -0.496]]
)
LARGEST = 2048  # pixels of a crop before it is reduced
BEYOND = 0.2  # share of a crop that may lie beyond the picture's edge, where its border goes on
EDGE = cv2.BORDER_REPLICATE


def five_points(points: np.ndarray) -> np.ndarray:
    """Eyes, nose and corners of the mouth [5, 2] of the 68 landmarks [68, 2]."""
    eyes = points[36:42].mean(0), points[42:48].mean(0)
    return np.stack([*eyes, points[30], points[48], points[54]])


def placed(points: np.ndarray) -> np.ndarray:
    """The similarity [2, 3] from the crop's plane, y down, to pixels of the picture that brings
    PLACES nearest to a face's five points [5, 2], by least squares."""
    source, target = (PLACES * (1, -1)) @ (1, 1j), points @ (1, 1j)
    away = source - source.mean()
    turn = np.vdot(away, target - target.mean()) / np.vdot(away, away).real
    move = target.mean() - turn * source.mean()
    return np.array([[turn.real, -turn.imag, move.real], [turn.imag, turn.real, move.imag]])


def aligned(find: Callable[[], Find], fov_deg: float, released: bool = False) -> Cut:
    """A cut that looks for the one face of a picture; it raises Other for a picture that shows
    none, several, a small one or one at its edge, and else adds its estimated pose. find: gives the
    detector, when it is first needed; fov_deg: full angle of view of the crop's camera."""
    alone = Lock()  # detectors are used by one thread at a time

    def cut(image: Image.Image, sizes: tuple[int, ...]) -> Arrays:
        pixels = np.asarray(image)
        with alone:
            faces = find()(pixels)
        if len(faces) != 1:
            raise Other("no face found" if not faces else f"{len(faces)} faces found")
        matrix = placed(five_points(faces[0][0] + 0.5))
        side = 2 * float(np.hypot(matrix[0, 0], matrix[1, 0]))
        if side < max(sizes):
            raise Other(f"its face fills {side:.0f} pixels, fewer than {max(sizes)}")
        # as many pixels as the picture has there, so that nothing aliases before it is reduced
        size = min(max(sizes) * ceil(side / max(sizes)), LARGEST)
        to_plane = np.array([[2 / size, 0, 1 / size - 1], [0, 2 / size, 1 / size - 1], [0, 0, 1]])
        whole = matrix @ to_plane - [[0, 0, 0.5]] * 2
        how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        inside = cv2.warpAffine(np.ones(pixels.shape[:2], np.uint8), whole, (size, size), flags=how)
        if 1 - inside.mean() > BEYOND:
            raise Other("its face lies at the edge of the picture")
        crop = cv2.warpAffine(pixels, whole, (size, size), flags=how, borderMode=EDGE)
        arrays = resized(Image.fromarray(crop), (0, 0, size, size), sizes, released)
        turn, move = matrix[:, :2], matrix[:, 2]
        on_plane = np.linalg.solve(turn, (faces[0][0] + 0.5 - move).T).T * (1, -1)
        arrays[ESTIMATED] = np.array(estimated_pose(on_plane, fov_deg), np.float32)
        return arrays

    return cut
