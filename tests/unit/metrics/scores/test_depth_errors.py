import math

import pytest
import torch
from torch import Tensor

from gof.geometry.cameras import camera_rays
from gof.metrics.scores.depth_errors import (
    depth_errors,
    depth_normals,
    erode,
    mad,
    mean_depth,
    side,
)
from gof.run.files import InputError

FOV = 12.0


def plane(normal: tuple[float, float, float], r: int = 32) -> Tensor:
    """Depth along the rays of a frontal camera at (0, 0, 1) to the plane through the origin."""
    rays = camera_rays(torch.zeros(1, 2, dtype=torch.float64), r, FOV)
    n = torch.tensor(normal, dtype=torch.float64)
    t = -(rays.origins @ n) / (rays.directions @ n)
    return t.view(1, r, r)


def ball(radius: float, r: int = 64) -> tuple[Tensor, Tensor, Tensor]:
    """Depth, mask and normals [1, 3, r, r] of a sphere at the origin."""
    rays = camera_rays(torch.zeros(1, 2, dtype=torch.float64), r, FOV)
    b = (rays.origins * rays.directions).sum(-1)
    root = b.square() - 1 + radius**2
    mask = root > 0
    t = -b - root.clamp_min(0).sqrt()
    normal = (rays.origins + t[..., None] * rays.directions) / radius
    return torch.where(mask, t, 0.0).view(1, r, r), mask.view(1, r, r), normal.mT.view(1, 3, r, r)


def test_side_ignores_scale_and_sees_the_rest() -> None:
    truth = torch.rand(3, 9, 9, generator=torch.Generator().manual_seed(0)) * 0.2 + 0.9
    mask = torch.ones(3, 9, 9, dtype=torch.bool)
    mask[0, 0] = False
    scale = torch.tensor([0.5, 1.0, 3.0])[:, None, None]
    assert float(side(truth * scale, truth, mask).max()) < 1e-6
    # Half of the pixels too far by a factor e^0.02: the deviation of log depth is 0.01.
    half = torch.ones(1, 4, 4)
    half[:, :2] = math.exp(0.02)
    everywhere = torch.ones(1, 4, 4, dtype=torch.bool)
    assert float(side(half, torch.ones(1, 4, 4), everywhere)) == pytest.approx(0.01, rel=1e-5)


def test_side_is_brute_force_over_the_mask() -> None:
    draws = torch.Generator().manual_seed(1)
    a, b = torch.rand(2, 2, 6, 6, generator=draws) + 0.5
    mask = torch.rand(2, 6, 6, generator=draws) > 0.4
    for i in range(2):
        gaps = [
            math.log(a[i, y, x]) - math.log(b[i, y, x])
            for y in range(6)
            for x in range(6)
            if mask[i, y, x]
        ]
        mean = sum(gaps) / len(gaps)
        expected = math.sqrt(sum((g - mean) ** 2 for g in gaps) / len(gaps))
        assert float(side(a, b, mask)[i]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("degrees", [0.0, 10.0, 35.0])
def test_mad_of_two_planes_is_their_angle(degrees: float) -> None:
    a = math.radians(degrees)
    tilted, flat = plane((math.sin(a), 0.0, math.cos(a))), plane((0.0, 0.0, 1.0))
    inner = erode(torch.ones(1, 32, 32, dtype=torch.bool))
    assert float(mad(tilted, flat, inner, FOV)) == pytest.approx(degrees, abs=1e-4)
    assert float(mad(flat, tilted, inner, FOV)) == pytest.approx(degrees, abs=1e-4)


def test_normals_of_planes_and_of_a_sphere_are_the_true_ones() -> None:
    a = 0.3
    for n in ((0.0, math.sin(a), math.cos(a)), (-math.sin(a), 0.0, math.cos(a))):
        found = depth_normals(plane(n), FOV)[0, :, 1:-1, 1:-1]
        wanted = torch.tensor(n, dtype=torch.float64)[:, None, None].expand_as(found)
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-9)
    depth, mask, normal = ball(0.09)
    inner = erode(mask) & (normal[:, 2] > 0.5)  # away from the limb, where differences are coarse
    cosine = (depth_normals(depth, FOV) * normal).sum(1)[inner]
    assert float(torch.rad2deg(cosine.clamp(-1, 1).acos()).max()) < 1.0
    assert float(mad(depth, depth, erode(mask), FOV)) == pytest.approx(0, abs=1e-6)


def test_mad_grows_as_a_sphere_is_pressed_flat() -> None:
    depth, mask, _ = ball(0.09)
    inner = erode(mask)
    angles = [float(mad(1 + k * (depth - 1), depth, inner, FOV)) for k in (1.0, 0.8, 0.4, 0.0)]
    assert angles == sorted(angles) and angles[-1] > 20


def test_erosion_takes_one_pixel_all_around_and_at_the_border() -> None:
    mask = torch.zeros(2, 7, 7, dtype=torch.bool)
    mask[0, 1:6, 1:6] = True
    mask[1] = True
    mask[1, 3, 3] = False
    small = erode(mask)
    assert small[0].nonzero().tolist() == [[y, x] for y in (2, 3, 4) for x in (2, 3, 4)]
    assert not small[1, 2:5, 2:5].any() and not small[1, 0].any() and not small[1, :, 6].any()
    assert bool(small[1, 1, 1]) and int(small[1].sum()) == 25 - 9


def test_errors_skip_empty_images_and_refuse_only_empty_ones() -> None:
    depth, mask, _ = ball(0.09)
    two = torch.cat([depth, depth * 0])
    alone = [(depth * 1.1, depth, mask)]
    together = [(two * 1.1, two, torch.cat([mask, ~mask & mask]))]
    empty = (depth, depth, ~mask & mask)
    for blocks in (together, [*alone, empty]):
        assert depth_errors(blocks, FOV) == pytest.approx(depth_errors(alone, FOV))
    with pytest.raises(InputError, match="foreground"):
        depth_errors([empty], FOV)


def test_mean_depth_counts_only_covered_pixels() -> None:
    depth = torch.tensor([[[1.0, 0.0, 0.0]], [[0.8, 0.9, 0.0]]])
    mean = mean_depth((part, part > 0) for part in depth.split(1))
    torch.testing.assert_close(mean, torch.tensor([[0.9, 0.9, 0.9]]))
