"""The 68 landmarks of iBUG 300-W: which vertices of the hm08 base mesh they are, and how errors of
them are measured.

Picked by hand on renders of the base mesh; the right half of the table follows from left-right
pairs. Order: jaw line 0 to 16 from the subject's right ear, brows 17 to 26, nose 27 to 35, eyes 36
to 47, outer lips 48 to 59, inner lips 60 to 67 (Sagonas et al., "300 Faces in-the-Wild Challenge",
2013, fig. 1).
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from gof.run.columns import Column

# How `nme_percent` is shown, of fits and of regressors alike.
ERROR = Column("landmark_nme_percent", "landmark error (%)", rank=10)
FIRST_INNER = 17  # landmarks before it lie on the jaw line, whose depth means nothing
EYE_CORNERS = (36, 45)  # outer

# Landmarks on the subject's left and on the middle line: base mesh vertices.
LEFT = {
    **{8: 732, 9: 7620, 10: 7624, 11: 7462, 12: 7596, 13: 7614, 14: 7574, 15: 7573, 16: 12001},
    **{22: 7006, 23: 7003, 24: 7002, 25: 10412, 26: 7442},
    **{27: 136, 28: 131, 29: 201, 30: 297, 33: 343, 34: 7077, 35: 7057},
    **{42: 13363, 43: 6838, 44: 6790, 45: 6805, 46: 6825, 47: 6831},
    **{51: 455, 52: 7216, 53: 7170, 54: 7162, 55: 7166, 56: 7241, 57: 492},
    **{62: 474, 63: 7227, 64: 7206, 65: 7236, 66: 493},
}
# MIRRORED[i] is the landmark that i becomes in a mirror.
MIRRORED = np.array(
    [
        *range(16, -1, -1),
        *range(26, 16, -1),
        *range(27, 31),
        *range(35, 30, -1),
        *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),
        *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55),
        *(64, 63, 62, 61, 60, 67, 66, 65),
    ]
)


def nme_percent(found: Tensor, truth: Tensor) -> Tensor:
    """Mean distance of landmarks [n, 68, 2] from the true ones, in percent of the distance of the
    true outer corners of the eyes, [n]."""
    eyes = (truth[:, EYE_CORNERS[0]] - truth[:, EYE_CORNERS[1]]).norm(dim=-1)
    return 100 * (found - truth).norm(dim=-1).mean(-1) / eyes


def base_landmarks(mirror: np.ndarray) -> np.ndarray:
    """Base mesh vertices [68] of the landmarks; mirror [base] pairs vertices left and right."""
    vertices = np.full(68, -1)
    for landmark, vertex in LEFT.items():
        vertices[landmark] = vertex
        vertices[MIRRORED[landmark]] = mirror[vertex]
    return vertices


def face_region(points: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Which points [v, 3] of a head lie in front of its ears and above its jaw line, bool [v];
    landmarks [68] are numbers of points.

    Seen from between the ears (in azimuth and elevation), the jaw line is the lower edge of the
    face: what lies behind it, under the chin, is seen below it.
    """
    jaw = points[landmarks[:17]].astype(np.float64)
    away = points - (jaw[0] + jaw[16]) / 2
    azimuth = np.arctan2(away[:, 0], away[:, 2])
    elevation = np.arctan2(away[:, 1], np.hypot(away[:, 0], away[:, 2]))
    edge = azimuth[landmarks[:17]]
    order = edge.argsort()
    lowest = np.interp(azimuth, edge[order], elevation[landmarks[:17]][order])
    tolerance = 1e-4  # radians: the landmarks themselves are part of the face
    ahead = (azimuth > edge.min() - tolerance) & (azimuth < edge.max() + tolerance)
    return ahead & (elevation > lowest - tolerance)
