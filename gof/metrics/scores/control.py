"""How well a conditional generator obeys: scores from what was asked for and what is seen.

Pure functions of points and readings (method-cgof 5.2, 5.3, with the clean definitions of 8.1).
SciPy is imported where it is used: it takes half a second, and most metrics do without it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gof.morphable.model import HEAD_RADIUS

MOVING = (*range(17, 27), *range(36, 68))  # landmarks of brows, eyes and mouth
LEAST = 1e-8  # of a spread, where one is divided by


def spread(readings: Tensor) -> Tensor:
    """Standard deviation (population) over variations, a mean over dimensions: [subjects,
    variations, d] -> [subjects]."""
    return readings.std(1, correction=0).mean(-1)


def disentanglement_score(spreads: Mapping[str, float], factor: str) -> float:
    """Product over the other factors j of spread(factor) / spread(j): how much more the images of a
    varied factor differ in that factor than in the others (Deng et al. 2020, as cGOF uses it)."""
    others = [value for name, value in spreads.items() if name != factor]
    return math.prod(spreads[factor] / max(value, LEAST) for value in others)


def change_of_identity(readings: Tensor) -> float:
    """Readings [views, heads, d]: mean distance between two views of a head, over that between two
    heads in the same view. 0 where nothing changes, 1 where a view changes as much as the head."""
    views, heads = readings.shape[:2]
    between_views = torch.cdist(readings.transpose(0, 1), readings.transpose(0, 1)).mean(0)
    between_heads = torch.cdist(readings, readings).mean(0)
    same = between_views.sum() / (views * (views - 1))
    other = between_heads.sum() / (heads * (heads - 1))
    return float(same / other.clamp(min=LEAST))


def rms_nearest(points: np.ndarray, targets: np.ndarray) -> float:
    """Root mean square distance of points [n, 3] to the nearest of targets [m, 3]."""
    from scipy.spatial import cKDTree

    distances, _ = cKDTree(targets).query(points)
    return float(np.sqrt(np.mean(distances**2)))


def chamfer(a: Tensor, b: Tensor) -> float:
    """Mean of the two one-way distances between point sets [n, 3] and [m, 3], in head radii."""
    ours, theirs = (x.double().cpu().numpy() for x in (a, b))
    return (rms_nearest(ours, theirs) + rms_nearest(theirs, ours)) / 2 / HEAD_RADIUS


def correlation(a: Tensor, b: Tensor) -> Tensor:
    """Cosine of the angle between differences [n, k, d], all k points together: [n]."""
    return torch.cosine_similarity(a.flatten(1), b.flatten(1))


def transfer_error(moved: Tensor, wanted: Tensor) -> float:
    """How far movements of landmarks [n, k, 2] are from the wanted ones, over how far those go: 0
    when they are the same, 1 when nothing moves."""
    return float((moved - wanted).norm(dim=-1).sum() / wanted.norm(dim=-1).sum())


def filled(depth: Tensor, mask: Tensor) -> Tensor:
    """Depth [n, r, r] with that of the nearest pixel of the mask, bool [n, r, r], wherever the mask
    is off; unchanged where it is off everywhere."""
    from scipy.ndimage import distance_transform_edt

    found = []
    for one, known in zip(depth, mask, strict=True):
        if not bool(known.any()):
            found.append(one)
            continue
        row, column = distance_transform_edt(
            ~known.numpy(), return_distances=False, return_indices=True
        )
        found.append(one[torch.from_numpy(row).long(), torch.from_numpy(column).long()])
    return torch.stack(found)


def median(maps: Tensor) -> Tensor:
    """Each pixel of [n, r, r] becomes the median of its 3 x 3 neighbours; edges repeat."""
    padded = F.pad(maps[:, None], (1, 1, 1, 1), mode="replicate")
    return F.unfold(padded, 3).median(1).values.view_as(maps)
