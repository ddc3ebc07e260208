"""Similarities against random ones, and the constant crop against both cameras."""

import math

import pytest
import torch

from gof.geometry.cameras import project
from gof.morphable.similarity import Similarity, align, constant_crop
from gof.readers.deep3d import on_plane
from gof.run.files import InputError


def random_similarity(seed: int) -> Similarity:
    generator = torch.Generator().manual_seed(seed)
    turn, _ = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))
    turn = turn * torch.linalg.det(turn).sign()
    scale = float(torch.rand(1, generator=generator)) * 3 + 0.1
    return Similarity(scale, turn, torch.randn(3, generator=generator, dtype=torch.float64))


def points(count: int, seed: int = 9) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 3, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("count", [3, 20])
def test_a_random_similarity_is_found_from_the_points_it_moved(seed, count):
    made, source = random_similarity(seed), points(count, seed)
    found = align(source, made.apply(source))
    assert found.scale == pytest.approx(made.scale, rel=1e-9)
    torch.testing.assert_close(found.rotation, made.rotation, atol=1e-8, rtol=0)
    torch.testing.assert_close(found.translation, made.translation, atol=1e-8, rtol=0)


def test_noise_leaves_the_best_fit_and_no_reflection_is_taken():
    """No similarity near the found one fits noisy points better; a mirror image is not reached by
    mirroring."""
    generator = torch.Generator().manual_seed(1)
    made, source = random_similarity(3), points(40)
    target = made.apply(source)
    target = target + 0.1 * torch.randn(target.shape, generator=generator, dtype=torch.float64)
    found = align(source, target)
    best = (found.apply(source) - target).square().sum()
    for scale, axis in ((1.01, None), (0.99, None), (1.0, 0), (1.0, 1), (1.0, 2)):
        small = torch.zeros(3, 3, dtype=torch.float64)
        if axis is not None:
            i, j = (axis + 1) % 3, (axis + 2) % 3
            small[i, j], small[j, i] = 0.02, -0.02
        turned = found.rotation @ torch.linalg.matrix_exp(small)
        centred = target.mean(0) - found.scale * scale * turned @ source.mean(0)
        other = Similarity(found.scale * scale, turned, centred)
        assert (other.apply(source) - target).square().sum() > best
    mirrored = align(source, source * source.new_tensor([-1.0, 1.0, 1.0]))
    assert torch.linalg.det(mirrored.rotation) == pytest.approx(1.0)


def test_points_in_a_plane_are_enough_and_points_on_a_line_are_not():
    flat = points(10) * torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64)
    made = random_similarity(4)
    torch.testing.assert_close(align(flat, made.apply(flat)).rotation, made.rotation)
    line = points(10)[:, :1] * torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    for given in (line, line * 0):
        with pytest.raises(InputError, match="lie on a line"):
            align(given, points(10))
    with pytest.raises(ValueError, match="twice"):
        align(points(4), points(5))


def test_inverse_and_composition_are_those_of_the_maps():
    one, two, x = random_similarity(1), random_similarity(2), points(7)
    torch.testing.assert_close(one.inverse().apply(one.apply(x)), x)
    torch.testing.assert_close(two.after(one).apply(x), two.apply(one.apply(x)))
    torch.testing.assert_close(one.turn(x[:1] - x[1:]), one.apply(x[:1]) - one.apply(x[1:]))
    assert one.apply(x.float()).dtype == torch.float32


@pytest.mark.parametrize("pivot", [0.0, -0.05, 0.03])
def test_both_cameras_see_a_frontal_face_in_the_same_place(pivot):
    """Within about a pixel of 256 anywhere in a face, and exactly in the plane of its origin."""
    generator = torch.Generator().manual_seed(0)
    half = torch.tensor([0.8, 1.0, 0.3], dtype=torch.float64)  # decimetres
    face = (torch.rand(2000, 3, generator=generator, dtype=torch.float64) * 2 - 1) * half
    world = constant_crop(12.0, pivot)
    front = torch.zeros(1, 2, dtype=torch.float64)
    there = on_plane(face[None])[0]
    here, _ = project(world.apply(face)[None], front, 12.0)
    gap = (here[0] - there).norm(dim=-1) * 128
    assert gap.mean() < 0.6 and 0.5 < gap.max() < 1.4
    flat = face * face.new_tensor([1.0, 1.0, 0.0])
    same, _ = project(world.apply(flat)[None], front, 12.0)
    torch.testing.assert_close(same[0], on_plane(flat[None])[0], atol=1e-9, rtol=0)


def test_the_crop_gives_the_constants_that_the_regressor_uses():
    world = constant_crop(12.0)
    assert world.scale == pytest.approx(0.0928547, rel=1e-5)
    assert world.translation.tolist() == pytest.approx((3.6e-5, -0.0312362, 0.0), abs=1e-6)
    near = constant_crop(12.0, 0.1)
    assert near.scale == pytest.approx(0.9 * world.scale)
    assert near.translation[2] == 0.1
    wide = constant_crop(24.0)
    assert wide.scale / world.scale == pytest.approx(
        math.tan(math.radians(12)) / math.tan(math.radians(6))
    )
