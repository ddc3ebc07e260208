"""The head model built from the real asset: what must hold for every head."""

import numpy as np
import pytest
import torch

from gof.config.errors import ConfigError
from gof.experiment.config import Config
from gof.geometry.meshes import sphere_directions
from gof.heads.build import build_head_model, openness, run_head_model
from gof.heads.jobs import HeadModelJob
from gof.heads.settings import RenderedHeads
from gof.heads.shapes import FLOOR
from gof.morphable.landmarks import MIRRORED
from gof.morphable.model import MorphableModel
from gof.run.files import InputError, write_npz

SETTINGS = RenderedHeads(identities_for_pca=40, identity_components=12)


@pytest.fixture(scope="module")
def built(asset):
    return build_head_model(asset.path, SETTINGS)


@pytest.fixture(scope="module")
def model(built, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "head_model.npz"
    write_npz(path, built.arrays)
    return MorphableModel.load(path)


@pytest.fixture(scope="module")
def heads(model):
    """The mean, and a few heads with open mouths."""
    generator = torch.Generator().manual_seed(0)
    identity = torch.randn(5, len(model.identity), generator=generator)
    identity[0] = 0
    expression = torch.zeros(5, len(model.expression))
    expression[1:, model.expression_names.index("jawOpen")] = 0.5
    return model.vertices(identity, expression)


def test_heads_fit_the_cube_and_most_of_the_frame(heads):
    assert heads.abs().max() < 0.12
    height = heads[..., 1]
    assert (height.amax(1) > 0.06).all() and (height.amax(1) < 0.112).all()


def test_necks_end_in_one_plane(heads, model):
    torch.testing.assert_close(heads[..., 1].amin(1), torch.full((5,), FLOOR), atol=1e-5, rtol=0)
    low = (model.mean[:, 1] < FLOOR + 1e-5).nonzero().squeeze(-1)
    assert len(low) > 40
    spread = heads[:, low, 1].amax(1) - heads[:, low, 1].amin(1)
    assert spread.max() < 1e-5


def test_skin_is_closed(model, built):
    """With the floor welded to the rim, every edge is used once in each direction; only teeth have
    open roots."""
    triangles = model.triangles.numpy()
    names = built.arrays["region_names"].tolist()
    teeth = built.arrays["region"] == names.index("teeth")
    triangles = triangles[~teeth[triangles].all(1)]
    place = np.arange(len(model.mean))
    low = (model.mean[:, 1] < FLOOR + 1e-5).nonzero().squeeze(-1).numpy()
    pairs = torch.cdist(model.mean[low], model.mean[low]) < 1e-6
    place[low] = low[pairs.int().argmax(1)]
    welded = place[triangles]
    edges = np.concatenate([welded[:, [0, 1]], welded[:, [1, 2]], welded[:, [2, 0]]])
    directed = {tuple(edge) for edge in edges.tolist()}
    open_edges = [edge for edge in directed if edge[::-1] not in directed]
    assert not open_edges


def test_volume_is_that_of_a_head(heads, model):
    a, b, c = (heads[:, model.triangles[:, k]] for k in range(3))
    volume = (a * torch.linalg.cross(b, c)).sum((1, 2)) / 6
    assert (volume > 0.0008).all() and (volume < 0.003).all()  # positive: faces look outward


def test_left_and_right_are_alike(model, built):
    flip = torch.tensor([-1.0, 1.0, 1.0])
    mirror = torch.from_numpy(built.arrays["mirror"])
    assert torch.equal(mirror[mirror], torch.arange(len(mirror)))
    torch.testing.assert_close(model.mean[mirror] * flip, model.mean, atol=2e-5, rtol=0)
    mirrored = model.identity[:, mirror] * flip
    assert (mirrored - model.identity).abs().max() < 1e-3 * model.identity.abs().max()
    base, region = model.palette.log_base, torch.from_numpy(built.arrays["region"])
    torch.testing.assert_close(base[mirror], base, atol=1e-5, rtol=0)
    assert torch.equal(region[mirror], region)


def test_landmarks_lie_where_ibug_puts_them(model, built):
    assert sorted(MIRRORED.tolist()) == list(range(68))
    assert (MIRRORED[MIRRORED] == np.arange(68)).all()
    mirror = torch.from_numpy(built.arrays["mirror"])
    assert torch.equal(mirror[model.landmarks], model.landmarks[MIRRORED])
    point = model.mean[model.landmarks]
    x, y, z = point.unbind(-1)
    assert len(model.landmarks.unique()) == 68
    assert y.argmin() == 8 and z.argmax() == 30  # chin, tip of the nose
    assert (x[:9].diff() > 0).all() and (y[:9].diff() < 0).all()  # right ear to chin
    assert (x[17:27].diff() > 0).all()  # brows from the subject's right to left
    assert (y[27:31].diff() < 0).all()  # down the bridge
    for corner, inner, upper, lower in ((36, 39, (37, 38), (40, 41)), (45, 42, (43, 44), (46, 47))):
        assert abs(x[corner]) > abs(x[inner])
        assert min(y[i] for i in upper) > max(y[i] for i in lower)
    assert y[19] > y[37] and y[51] > y[62] > y[66] > y[57]
    names, region = built.arrays["region_names"], built.arrays["region"]
    assert set(names[region[model.landmarks[[51, 57, 49, 53]]]]) <= {"lips", "skin"}


def test_components_are_orthogonal_and_explain_most(built, model):
    flat = model.identity.flatten(1).double()
    gram = flat @ flat.T
    scale = gram.diagonal().sqrt()
    assert (gram / scale[:, None] / scale - torch.eye(len(gram)).double()).abs().max() < 1e-3
    assert (scale.diff() <= 1e-9).all()
    assert built.explained == sorted(built.explained) and 0.85 < built.explained[-1] <= 1


def test_expressions_leave_the_neck_rim_alone_and_move_faces(model):
    low = model.mean[:, 1] < FLOOR + 1e-5
    assert model.expression[:, low].abs().max() < 1e-6
    assert len(model.expression_names) in (51, 52)
    jaw = model.expression[model.expression_names.index("jawOpen")]
    assert jaw[model.landmarks[8], 1] < -0.01 and jaw[model.landmarks[27]].abs().max() < 1e-4


def test_colours_are_those_of_people(model):
    albedo = torch.zeros(3, model.palette.size)
    albedo[1, 0], albedo[2, 0] = -2, 2
    colours = model.colours(albedo)
    cheek = colours[:, model.landmarks[[2, 14]]].mean(1)
    assert (cheek[1] > cheek[0]).all() and (cheek[0] > cheek[2]).all()  # less melanin is lighter
    assert (cheek[:, 0] > cheek[:, 1]).all() and (cheek[:, 1] > cheek[:, 2]).all()  # skin is warm
    lip = colours[0, model.landmarks[[51, 57]]].mean(0)
    assert lip[1] / lip[0] < cheek[0, 1] / cheek[0, 0]  # lips are redder
    hair = colours[0, model.mean[:, 1].argmax()]
    assert hair.mean() < 0.6 * cheek[0].mean()


def test_openness_of_a_ball_is_full_except_below_a_roof(arrays):
    ball, faces = torch.from_numpy(arrays["mean"]) * 0.6, torch.from_numpy(arrays["triangles"])
    alone = openness(ball, faces, 64)
    assert alone.min() > 0.97
    corners = torch.tensor([[-1.0, 0.6, -1], [1, 0.6, -1], [1, 0.6, 1], [-1, 0.6, 1]]) * 0.1
    quad = torch.tensor([[0, 1, 2], [0, 2, 3]])
    roof = torch.cat([quad, quad.flip(1)]) + len(ball)  # seen from both sides
    covered = openness(torch.cat([ball, corners]), torch.cat([faces, roof]), 64)
    assert covered[ball[:, 1].argmax()] < 0.3
    assert covered[ball[:, 1].argmin()] > 0.95


def test_sphere_directions_are_even():
    directions = sphere_directions(200)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1)
    np.testing.assert_allclose(directions.mean(0), 0, atol=0.01)
    np.testing.assert_allclose(directions.T @ directions / 200, np.eye(3) / 3, atol=0.02)


def test_the_face_ends_at_jaw_hair_and_ears(model, built):
    """All landmarks but those at the ears, which lie under the hair, are in the face; neck, ears,
    hair and the inside of the mouth are not."""
    face, region = model.face.numpy(), built.arrays["region"]
    names = list(built.arrays["region_names"])
    own = face[model.landmarks.numpy()]
    assert own[1:16].all() and own[17:].all()
    for name in ("hair", "ears", "mouth", "teeth"):
        assert not face[region == names.index(name)].any()
    for name in ("lips", "brows"):
        assert face[region == names.index(name)].all()
    eyes = region == names.index("eyes")
    assert face[eyes].all() and eyes.sum() > 50
    chin = model.mean[model.landmarks[8]]
    low = (model.mean[:, 1] < chin[1] - 0.005).numpy()
    back = (model.mean[:, 2] < -0.01).numpy()
    assert not face[low].any() and not face[back].any()
    np.testing.assert_array_equal(face[built.arrays["mirror"]], face)
    assert 0.3 < face.mean() < 0.7


def test_only_a_data_set_of_heads_has_a_head_model(tmp_path):
    values = {"datasets": {"ph": {"source": "photographs", "folder": "x"}}}
    asset = tmp_path / "asset.json"
    for config in (Config.parse(values), Config()):
        with pytest.raises(ConfigError, match="datasets: no 'ph' of the kind needed"):
            run_head_model(config, HeadModelJob(name="ph", asset=asset, out=tmp_path / "model.npz"))
    assert not list(tmp_path.iterdir())


def test_a_head_model_is_built_after_the_data_set_it_is_for(tmp_path, monkeypatch):
    def build(wheel, settings):
        raise InputError(f"{wheel} {settings.identity_components}")

    monkeypatch.setattr("gof.heads.build.resolve", lambda path: path)
    monkeypatch.setattr("gof.heads.build.build_head_model", build)
    (tmp_path / "asset.json").write_text("{}")
    datasets = {
        name: {"source": "heads", "identity_components": count}
        for name, count in (("few", 5), ("many", 9))
    }
    config = Config.parse({"datasets": datasets, "tracking": {"enabled": False}})
    asset = tmp_path / "asset.json"
    for name, count in (("few", 5), ("many", 9)):
        with pytest.raises(InputError, match=rf"asset\.json {count}$"):
            out = tmp_path / name / "model.npz"
            run_head_model(config, HeadModelJob(name=name, asset=asset, out=out))
