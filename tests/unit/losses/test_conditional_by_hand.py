"""Losses that hold a generator to a 3DMM against loops over rays, samples and pixels."""

import math
from types import SimpleNamespace

import pytest
import torch

from gof.geometry.cameras import camera_axes
from gof.losses import conditional as losses
from gof.rendering.render import Guide
from gof.run import rng

NEAR, FAR = 0.88, 1.12


def draws(name: str, *shape: int, images: int = 2) -> torch.Tensor:
    return rng.streams(0, name, range(images)).uniform(*shape)


@pytest.fixture
def scene():
    """t, weights [2, 6, 5], world_z, and a guide that half of the rays meet."""
    depth = NEAR + (FAR - NEAR) * draws("depth", 6)
    guide = Guide(depth, draws("mask", 6) < 0.6)
    assert 3 < guide.mask.sum() < 10
    t = NEAR + (FAR - NEAR) * draws("t", 6, 5).sort(-1).values
    return t, draws("weights", 6, 5) * 0.2, draws("z", 6, 5) * 0.4 - 0.2, guide


@pytest.mark.parametrize("half_width", [0.01, 0.05])
def test_distance(scene, half_width) -> None:
    t, weights, _, guide = scene
    t.requires_grad_()
    costs = []
    for i in range(2):
        for ray in range(6):
            for k in range(5) if guide.mask[i, ray] else ():
                beyond = max(0.0, abs(float(t[i, ray, k] - guide.depth[i, ray])) - half_width)
                costs.append(float(weights[i, ray, k]) * (math.exp(20 * beyond) - 1))
    found = losses.distance_term(weights.requires_grad_(), t, guide, half_width)
    assert float(found.detach()) == pytest.approx(sum(costs) / len(costs), rel=1e-4)
    found.backward()
    assert weights.grad.abs().max() > 0 and t.grad is None


def test_background(scene) -> None:
    t, weights, z, guide = scene
    before, forward = [], []
    for i in range(2):
        on = [ray for ray in range(6) if guide.mask[i, ray]]
        limit = NEAR + 0.9 * (min(float(guide.depth[i, ray]) for ray in on) - NEAR)
        foremost = max(float(z[i, ray].max()) for ray in on)
        for ray in set(range(6)) - set(on):
            for k in range(5):
                weight = float(weights[i, ray, k])
                if float(t[i, ray, k]) < limit:
                    before.append(weight * (limit - float(t[i, ray, k])))
                if float(z[i, ray, k]) > foremost:
                    forward.append(weight * (float(z[i, ray, k]) - foremost))
    assert len(before) > 1 and len(forward) > 1
    t.requires_grad_()
    z.requires_grad_()
    out = SimpleNamespace(t=t, weights=weights.requires_grad_())
    found = losses.background_term(out, z, guide, NEAR)
    expected = sum(before) / len(before) + sum(forward) / len(forward)
    assert float(found.detach()) == pytest.approx(expected, rel=1e-4)
    found.backward()
    assert weights.grad.abs().max() > 0 and t.grad is None and z.grad is None


def test_background_passes_over_images_without_a_mesh(scene) -> None:
    t, weights, z, guide = scene
    mask = guide.mask.clone()
    mask[1] = False
    both = losses.background_term(
        SimpleNamespace(t=t, weights=weights), z, Guide(guide.depth, mask), NEAR
    )
    alone = losses.background_term(
        SimpleNamespace(t=t[:1], weights=weights[:1]), z[:1], Guide(guide.depth[:1], mask[:1]), NEAR
    )
    # Nothing is in front of a face that is not there, but all of its weight is off it.
    assert torch.isfinite(both) and both == alone


def test_depth_smoothness() -> None:
    depth, mask = draws("depth", 4, 4), draws("mask", 4, 4) < 0.6
    steps, off = [], []
    for i in range(2):
        for row in range(3):
            for column in range(3):
                here = depth[i, row, column]
                step = (here - depth[i, row, column + 1]) ** 2
                step += (here - depth[i, row + 1, column]) ** 2
                steps.append(float(step))
                if not mask[i, row, column]:
                    off.append(float(step))
    expected = sum(steps) / len(steps) + sum(off) / len(off)
    assert float(losses.depth_smoothness(depth, mask)) == pytest.approx(expected, rel=1e-5)


def test_landmarks() -> None:
    read, wanted = draws("read", 68, 2) - 0.5, draws("wanted", 68, 2) - 0.5
    wanted_3d, depth = draws("3d", 68, 3) - 0.5, 1 + 0.1 * draws("depth", 8, 8)
    poses = draws("poses", 2) - 0.5
    flat, lifted = losses.landmark_terms(read, wanted, wanted_3d, depth, (poses, 12.0))
    assert float(flat) == pytest.approx(float((read - wanted).abs().double().mean()), rel=1e-5)
    right, up, back = camera_axes(poses)
    errors = []
    for i in range(2):
        for mark in range(17, 68):
            x, y = (float(v) for v in read[i, mark])
            t = bilinear(depth[i], (x + 1) * 4 - 0.5, (1 - y) * 4 - 0.5)
            scale = math.tan(math.radians(6))
            way = x * scale * right[i] + y * scale * up[i] - back[i]
            point = back[i] + t * way / way.norm()
            errors.append(float((point - wanted_3d[i, mark]).abs().mean()))
    assert float(lifted) == pytest.approx(sum(errors) / len(errors), rel=1e-4)


def bilinear(image: torch.Tensor, column: float, row: float) -> float:
    """The value between pixels; the edge goes on."""
    found = 0.0
    for c in (math.floor(column), math.floor(column) + 1):
        for r in (math.floor(row), math.floor(row) + 1):
            share = (1 - abs(column - c)) * (1 - abs(row - r))
            found += share * float(image[min(max(r, 0), 7), min(max(c, 0), 7)])
    return found


def test_a_landmark_beyond_the_image_has_the_depth_of_its_edge() -> None:
    depth = 1 + 0.1 * draws("depth", 8, 8)
    points = torch.tensor([[[3.0, 0.99], [-3.0, -0.99]]]).expand(2, -1, -1)
    poses = torch.zeros(2, 2)
    world = losses.lift(points, depth, (poses, 12.0))
    length = (world - torch.tensor([0.0, 0.0, 1.0])).norm(dim=-1)
    assert length[0].tolist() == pytest.approx([float(depth[0, 0, 7]), float(depth[0, 7, 0])])


def charbonnier(a: float, b: float) -> float:
    return math.sqrt((a - b) ** 2 + 1e-8) - 1e-4


def test_charbonnier() -> None:
    for apart in (0.0, 1e-4, 3e-4, 0.5):
        found = losses.charbonnier(torch.tensor([1.0], dtype=torch.float64), 1.0 - apart)
        assert float(found) == pytest.approx(charbonnier(1.0, 1.0 - apart), abs=1e-12)


def blurred(image: torch.Tensor, row: int, column: int) -> float:
    """5 x 5 pixels, sigma 2, edges repeat."""
    found, total, size = 0.0, 0.0, image.shape[-1]
    for y in range(-2, 3):
        for x in range(-2, 3):
            weight = math.exp(-(x**2 + y**2) / 8)
            r, c = min(max(row + y, 0), size - 1), min(max(column + x, 0), size - 1)
            found, total = found + weight * float(image[r, c]), total + weight
    return found / total


def test_warped_images() -> None:
    image, warped = draws("image", 3, 6, 6), draws("warped", 3, 6, 6)
    kept = draws("kept", 6, 6) < 0.5
    blur = losses.blur(image, losses.BLUR_SIGMA, losses.BLUR_REACH)
    assert blur.shape == image.shape
    errors = []
    for i, row, column in kept.nonzero().tolist():
        pairs = []
        for channel in range(3):
            a, b = (blurred(x[i, channel], row, column) for x in (image, warped))
            pairs.append(charbonnier(a, b))
            assert float(blur[i, channel, row, column]) == pytest.approx(a, rel=1e-5)
        errors.append(sum(pairs) / 3)
    found = losses.warping_image_term(image, warped, kept)
    assert float(found) == pytest.approx(sum(errors) / len(errors), rel=1e-4)


def test_warped_samples() -> None:
    given = []
    for name in ("sample", "warped"):
        given.append((draws(f"{name} logits", 4, 3) * 8 - 4, draws(f"{name} colours", 4, 3, 3)))
    shell = draws("shell", 4, 3) < 0.5
    (a, colour_a), (b, colour_b) = given
    errors = []
    for place in map(tuple, shell.nonzero().tolist()):
        one, two = (1 / (1 + math.exp(-float(x[place]))) for x in (a, b))
        colours = zip(colour_a[place].tolist(), colour_b[place].tolist(), strict=True)
        shade = sum(charbonnier(*pair) for pair in colours) / 3
        errors.append(charbonnier(one, two) + shade / 2)
    found = losses.warping_volume_term(*given, shell)
    assert float(found) == pytest.approx(sum(errors) / len(errors), rel=1e-4)


def test_means_of_nothing_are_zero_with_a_graph() -> None:
    values = torch.ones(3, requires_grad=True)
    found = losses._mean_over(values, torch.zeros(3, dtype=torch.bool))
    found.backward()
    assert found == 0 and (values.grad == 0).all()
    one = losses._mean_over(torch.tensor([2.0, 5.0]), torch.tensor([False, True]))
    assert one == 5


def test_where_labels_lie() -> None:
    """Half of a ray's points just behind the mesh, the others before it, three in ten of them
    anywhere; distances from the mesh are half-normal, at most 0.03 inside."""
    depth = torch.full((1, 4000), 1.0)
    mask = torch.ones(1, 4000, dtype=torch.bool)
    mask[:, 2000:] = False
    t, occupied = losses.labelled_samples(
        Guide(depth, mask), NEAR, FAR, 2, rng.streams(0, "labels", [0])
    )
    on, off = t[:, :2000], t[:, 2000:]
    behind = occupied[:, :2000]
    assert not occupied[:, 2000:].any() and 0.47 < behind.float().mean() < 0.53
    assert ((on >= 1) == behind).all()
    inside = on[behind] - 1
    assert inside.max() == pytest.approx(0.03, abs=1e-6) and inside.mean() < 0.0105
    assert float((inside < 0.012).float().mean()) == pytest.approx(0.683, abs=0.03)
    before = 1 - on[~behind]
    # Beyond four deviations there are only those that lie anywhere between near and the mesh.
    afar = before > 0.048
    assert float(afar.float().mean()) == pytest.approx(0.3 * (1 - 0.048 / 0.12), abs=0.03)
    assert before[afar].mean() == pytest.approx((0.12 + 0.048) / 2, abs=0.005)
    assert before.max() < 0.12
    close = float((before < 0.012).float().mean())
    assert close == pytest.approx(0.7 * 0.683 + 0.3 * 0.1, abs=0.03)
    assert off.min() >= NEAR and off.max() < FAR and off.max() > 1.115 and off.min() < 0.885
    assert off.mean() == pytest.approx(1.0, abs=0.005) and off.std() == pytest.approx(
        0.24 / 12**0.5, abs=0.003
    )


def test_labels_stay_in_the_volume() -> None:
    depth = torch.tensor([[NEAR + 0.001] * 500 + [0.5] * 500 + [2.0] * 500])
    guide = Guide(depth, torch.ones_like(depth, dtype=torch.bool))
    t, occupied = losses.labelled_samples(guide, NEAR, FAR, 4, rng.streams(0, "labels", [0]))
    assert t.min() == NEAR and t[~occupied].max() <= FAR and t.max() <= FAR + 0.03
    assert (t[0, :500][~occupied[0, :500]] == NEAR).any()


def test_reconstruction_of_blocks() -> None:
    read, z = draws("read", 6), draws("z", 6)
    sizes, start, means = [1, 3, 2], 0, []
    for size in sizes:
        part = (read - z)[:, start : start + size].abs()
        means.append(float(part.sum()) / (2 * size))
        start += size
    assert float(losses.reconstruction(read, z, sizes)) == pytest.approx(sum(means) / 3, rel=1e-5)
