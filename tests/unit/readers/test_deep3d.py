"""Deep3DFaceRecon's network as a regressor, with generated weights and a generated face model."""

from pathlib import Path

import numpy as np
import pytest
import torch

from gof.geometry.cameras import camera_axes, pixel_grid, project
from gof.geometry.lighting import shade
from gof.morphable.coefficients import Coefficients, Statistics
from gof.morphable.model import LinearAlbedo, MorphableModel
from gof.morphable.similarity import constant_crop
from gof.readers.deep3d import (
    CROP,
    DISTANCE,
    EXPONENT,
    FOCAL,
    SIZES,
    Deep3D,
    camera_pose,
    crop,
    load_deep3d,
    on_plane,
    rotation,
    shading,
)
from gof.readers.files import load_regressor, save_regressor
from gof.run.files import InputError

FOV = 14.0
WORLD = constant_crop(FOV)


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def face_model(identities=80, expressions=64, albedos=80):
    """100 vertices about the place of a face, 68 of them landmarks."""
    return MorphableModel(
        mean=WORLD.apply(0.7 * noise(100, 3)),
        identity=1e-3 * noise(identities, 100, 3, seed=1),
        expression=1e-3 * noise(expressions, 100, 3, seed=2),
        expression_names=tuple(map(str, range(expressions))),
        triangles=torch.arange(99).view(33, 3),
        landmarks=torch.arange(68) + 11,
        face=torch.ones(100, dtype=torch.bool),
        palette=LinearAlbedo(torch.full((100, 3), 128.0), noise(albedos, 100, 3, seed=3)),
    )


@pytest.fixture(scope="module")
def statistics():
    mean = {name: noise(size, seed=4) for name, size in SIZES.items()}
    factor = {
        name: torch.eye(size) + 0.1 * noise(size, size, seed=5).tril(-1)
        for name, size in SIZES.items()
    }
    return Statistics(mean, factor)


@pytest.fixture(scope="module")
def state():
    """What the user's checkpoint holds under net_recon."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Deep3D()
    for layer in network.final_layers:
        layer.weight.data.mul_(0.02)
    names = ("backbone.", "final_layers.")
    return {k: v for k, v in network.state_dict().items() if k.startswith(names)}


@pytest.fixture
def weights(state, tmp_path):
    path = tmp_path / "epoch_20.pth"
    torch.save({"net_recon": state, "opt_00": {"state": {}, "param_groups": [{"lr": 1e-4}]}}, path)
    return path


@pytest.mark.parametrize("size", [32, 256, 300])
def test_crop_shows_the_image_where_its_camera_looks(size):
    plane = pixel_grid(size).T.reshape(1, 2, size, size)  # an image of its own coordinates
    seen = crop(plane)
    rows = torch.tensor([20, 100, 150])
    x = torch.arange(40, 190)
    for row in rows:  # points before the camera that project to the centres of these pixels
        across = (x + 0.5 - CROP / 2) / FOCAL * DISTANCE
        up = (CROP / 2 - (row + 0.5)) / FOCAL * DISTANCE
        points = torch.stack([across, up.expand_as(across), torch.zeros_like(across)], -1)
        expected = on_plane(points[None])[0]
        torch.testing.assert_close(seen[0, :, row, x].T, expected, atol=2e-3, rtol=0)


def test_crop_repeats_the_edge_instead_of_black():
    seen = crop(torch.full((1, 3, 64, 64), 0.7))
    torch.testing.assert_close(seen, torch.full((1, 3, CROP, CROP), 0.7))


def test_both_cameras_see_a_face_in_the_world_at_the_same_place():
    points = (torch.rand(2000, 3, generator=torch.Generator().manual_seed(6)) * 2 - 1) * (
        torch.tensor([0.8, 1.0, 0.3])
    )
    world = WORLD.apply(points)
    plane, _ = project(world[None], torch.zeros(1, 2), FOV)
    pixels = (on_plane(points[None]) - plane).norm(dim=-1) * 128
    assert pixels.mean() < 0.7 and pixels.max() < 1.7  # the angle of view differs a little


def test_pose_is_the_camera_that_sees_the_head_so_turned():
    angles = noise(50, 3, seed=7) * torch.tensor([0.3, 0.5, 0.0])
    turned = rotation(angles)
    torch.testing.assert_close(turned @ turned.mT, torch.eye(3).expand(50, -1, -1))
    axes = torch.stack(camera_axes(camera_pose(turned)), 1)
    torch.testing.assert_close(axes[:, 2], turned[:, 2])
    only_yaw = rotation(torch.tensor([[0.0, -0.4, 0.0], [0.3, 0.0, 0.0]]))
    torch.testing.assert_close(
        camera_pose(only_yaw), torch.tensor([[0.4, 0.0], [0.0, 0.3]]), atol=1e-6, rtol=0
    )
    axes = torch.stack(camera_axes(camera_pose(only_yaw)), 1)
    torch.testing.assert_close(axes, only_yaw)


def their_functions(n):
    """Its nine functions, as its paper's code lists them: a_band c_band times a polynomial."""
    a = [np.pi, 2 * np.pi / 3**0.5, 2 * np.pi / 8**0.5]
    c = [1 / (4 * np.pi) ** 0.5, (3 / (4 * np.pi)) ** 0.5, 3 * 5**0.5 / (12 * np.pi) ** 0.5]
    x, y, z = n.unbind(-1)
    zero, one, two = (p * q for p, q in zip(a, c, strict=True))
    polynomials = [zero + 0 * x, -one * y, one * z, -one * x]
    polynomials += [two * x * y, -two * y * z, 0.5 * two / 3**0.5 * (3 * z * z - 1)]
    return torch.stack([*polynomials, -two * x * z, 0.5 * two * (x * x - y * y)], -1)


def test_light_is_evaluated_as_it_was_trained():
    gamma = 0.1 * noise(4, 27, seed=8)
    normals = torch.nn.functional.normalize(noise(4, 30, 3, seed=9), dim=-1)
    expected = torch.zeros(4, 30, 3)
    for channel in range(3):
        own = gamma[:, 9 * channel : 9 * channel + 9].clone()
        own[:, 0] += 0.8
        expected[..., channel] = (their_functions(normals) * own[:, None]).sum(-1)
    torch.testing.assert_close(shading(gamma, normals), expected)


def test_reading_is_that_of_the_coefficients(weights, statistics):
    model = face_model()
    network = load_deep3d(weights, model, statistics, FOV)
    network.final_layers[3].bias += torch.tensor([0.3, 0.8, 0.2])  # well turned
    seen = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(10)) * 2 - 1
    identity, expression, albedo, angles, gamma, shift = network.features(seen)
    reading = network(seen)
    # landmarks: the mesh itself, taken from the world to its own frame, turned, moved, projected
    own = WORLD.inverse().apply(model.vertices(identity, expression))
    placed = own[:, model.landmarks] @ rotation(angles).mT + shift[:, None]
    torch.testing.assert_close(reading.landmarks, on_plane(placed), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(reading.pose, camera_pose(rotation(angles)))
    # light: in the head's frame it does what theirs does to code values in the camera's
    z = statistics.split(reading.z)
    light = statistics.unwhiten(reading.z).light
    normals = torch.nn.functional.normalize(noise(2, 200, 3, seed=11), dim=-1)
    linear = shade(normals, light.unflatten(-1, (9, 3)))
    theirs = shading(gamma, normals @ rotation(angles).mT).clamp_min(0) ** EXPONENT
    assert ((linear - theirs).abs().mean() / theirs.mean()) < 0.08  # nine functions, a power law
    beside = shading(gamma, normals).clamp_min(0) ** EXPONENT
    assert ((linear - beside).abs().mean() / theirs.mean()) > 0.16  # in the other frame
    wanted = statistics.whiten(Coefficients(identity, expression, albedo, light))
    torch.testing.assert_close(reading.z, wanted, atol=1e-4, rtol=1e-4)
    assert [part.shape[1] for part in z.values()] == list(SIZES.values())


def test_gradient_reaches_images_and_weights_are_frozen(weights, statistics):
    network = load_deep3d(weights, face_model(), statistics, FOV)
    assert not any(parameter.requires_grad for parameter in network.parameters())
    seen = torch.zeros(1, 3, 32, 32, requires_grad=True)
    reading = network(seen)
    (reading.z.square().sum() + reading.landmarks.sum()).backward()
    assert seen.grad.isfinite().all() and seen.grad.abs().max() > 0


def test_saved_and_loaded_it_reads_the_same(weights, statistics, tmp_path):
    network = load_deep3d(weights, face_model(), statistics, FOV)
    path = tmp_path / "regressor.yaml"
    save_regressor(path, network, {"name": "teacher"})
    loaded = load_regressor(path)
    assert isinstance(loaded, Deep3D) and not loaded.training
    seen = torch.zeros(1, 3, 32, 32)
    assert torch.equal(loaded(seen).z, network(seen).z)
    assert torch.equal(loaded(seen).landmarks, network(seen).landmarks)


def test_checkpoints_that_are_none_are_refused(state, statistics, tmp_path):
    path = tmp_path / "epoch_20.pth"

    def refused(message):
        with pytest.raises(InputError, match=message) as raised:
            load_deep3d(path, face_model(), statistics, FOV)
        assert "\n" not in str(raised.value) and "epoch_20.pth" in str(raised.value)

    refused("no such file: put")
    lacking = {k: v for k, v in state.items() if k != "final_layers.4.weight"}
    torch.save({"net_recon": lacking}, path)
    refused(r"net_recon\.final_layers\.4\.weight of shape \(27, 2048, 1, 1\) is missing")
    torch.save({"net_recon": state | {"backbone.conv1.weight": torch.zeros(1)}}, path)
    refused(r"net_recon\.backbone\.conv1\.weight of shape")
    torch.save({"model": {}}, path)
    refused("holds no net_recon")
    torch.save({"net_recon": state, "code": Path("anything")}, path)
    refused("no pickle of tensors alone")
    path.write_bytes(b"nothing")
    refused("no pickle of tensors alone")


def test_batch_counters_may_be_absent(state, statistics, tmp_path):
    path = tmp_path / "epoch_20.pth"
    without = {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
    assert len(without) < len(state)
    torch.save({"net_recon": without}, path)
    load_deep3d(path, face_model(), statistics, FOV)


@pytest.mark.parametrize("sizes", [(5, 64, 80), (80, 51, 80), (80, 64, 10)])
def test_another_face_model_is_refused(weights, statistics, sizes):
    with pytest.raises(InputError, match=r"not the Basel Face Model's \(80, 64, 80\)"):
        load_deep3d(weights, face_model(*sizes), statistics, FOV)
