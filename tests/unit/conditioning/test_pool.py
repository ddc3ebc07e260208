"""The pool of conditions, on a toy head model."""

import numpy as np
import pytest
import torch
from PIL import Image

from gof.conditioning.jobs import PoolJob
from gof.conditioning.pool import Scene, draw_conditions, render, run_pool
from gof.config.errors import ConfigError
from gof.data.manifest import Manifest, load_manifest, write_manifest
from gof.data.reader import load_depth, load_images, load_split
from gof.data.settings import OFFERS
from gof.experiment.config import Config
from gof.geometry.cameras import camera_rays, project
from gof.geometry.raster import interpolate, rasterise
from gof.geometry.settings import Camera
from gof.morphable.coefficients import BLOCKS, Statistics
from gof.morphable.meshes import load_pair
from gof.morphable.model import MorphableModel
from gof.run.files import InputError

BACKGROUND = (0.2, 0.4, 0.8)
SIZES = {"identity": 5, "expression": 4, "albedo": 2, "light": 27}


@pytest.fixture
def config():
    pool = {"count": 5, "test": 3, "resolutions": [16, 32], "shard_size": 3}
    return Config.parse({"faces": {"pool": pool}, "tracking": {"enabled": False}})


@pytest.fixture
def scene():
    return Scene(Camera(), BACKGROUND, (16, 32), 0)


@pytest.fixture
def data(tmp_path, scene):
    return data_set(tmp_path / "data" / "manifest.json", scene.camera)


def data_set(path, camera):
    """The manifest of a data set; pools ask it where its cameras stand."""
    write_manifest(Manifest(path, "mine", camera, BACKGROUND, (64,), {}))
    return path


def toy_statistics(sizes=SIZES):
    generator = torch.Generator().manual_seed(0)
    mean = {name: torch.zeros(size) for name, size in sizes.items()}
    mean["light"][:3] = 1.2 / 0.282  # an even, bright surrounding
    spread = {"identity": 1.0, "expression": 1.5, "albedo": 0.5, "light": 0.1}
    factor = {
        name: spread[name]
        * (torch.eye(size) + torch.rand(size, size, generator=generator).tril(-1))
        for name, size in sizes.items()
    }
    return Statistics(mean, factor)


@pytest.fixture
def statistics(tmp_path):
    path = tmp_path / "statistics.npz"
    toy_statistics().save(path)
    return path


@pytest.fixture
def one_core(monkeypatch):
    """Render in this process: starting others takes seconds."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})


def test_only_the_expression_differs_between_a_and_b(scene):
    drawn = draw_conditions(toy_statistics(), scene, "train", range(400))
    changed = (drawn.z != drawn.z_b).float().mean(0)
    assert changed.tolist() == [0.0] * 5 + [1.0] * 4 + [0.0] * 29
    for z in (drawn.z, drawn.z_b):
        assert z.mean().abs() < 0.03 and abs(z.std() - 1) < 0.03
    between = (drawn.z[:, 5:9] * drawn.z_b[:, 5:9]).mean()
    assert abs(between) < 0.1  # a second draw, not a copy


def test_condition_is_a_function_of_its_number_and_split(scene):
    statistics = toy_statistics()
    whole, one = (draw_conditions(statistics, scene, "train", own) for own in (range(6), [4]))
    for name in ("z", "z_b", "pose"):
        assert torch.equal(getattr(whole, name)[4], getattr(one, name)[0])
    other = draw_conditions(statistics, scene, "test", range(6))
    assert torch.cdist(whole.z, other.z).min() > 1


def test_flow_takes_points_of_b_to_the_same_points_of_a(head_model, scene):
    model, statistics = MorphableModel.load(head_model), toy_statistics()
    drawn = draw_conditions(statistics, scene, "train", range(3))
    arrays = render(model, statistics, drawn, scene)
    heads = [statistics.unwhiten(z) for z in (drawn.z, drawn.z_b)]
    a, b = (model.vertices(head.identity, head.expression) for head in heads)
    rays = camera_rays(drawn.pose, 32, scene.camera.fov_deg)
    near, far = scene.camera.near, scene.camera.far
    stored = torch.from_numpy(arrays["depth_b_32"].astype(np.int32)).flatten(1)
    depth_b = near + (stored - 1) / 65534 * (far - near)
    on_b = rays.at(depth_b[..., None]).squeeze(2).view(3, 32, 32, 3)
    moved = on_b + torch.from_numpy(arrays["flow_32"].astype(np.float32))
    # the same triangle and barycentric coordinates, on the other mesh
    raster = rasterise(b, model.triangles, drawn.pose, 32, scene.camera.fov_deg)
    on_a = interpolate(raster, a)
    mask = raster.mask
    assert torch.equal(mask, torch.from_numpy(arrays["depth_b_32"] > 0))
    assert (moved - on_a)[mask].abs().max() < 2e-5
    assert (on_b - on_a)[mask].norm(dim=-1).max() > 1e-3  # there was something to move
    assert (arrays["flow_32"][~mask.numpy()] == 0).all()
    assert (arrays["depth_16"] != arrays["depth_b_16"]).any()


def test_labels_are_those_of_head_a(head_model, scene):
    model, statistics = MorphableModel.load(head_model), toy_statistics()
    drawn = draw_conditions(statistics, scene, "train", range(2))
    arrays = render(model, statistics, drawn, scene)
    head = statistics.unwhiten(torch.from_numpy(arrays["z"]))
    vertices = model.vertices(head.identity, head.expression)
    marks = vertices[:, model.landmarks]
    np.testing.assert_allclose(arrays["landmarks_3d"], marks, atol=1e-7)
    plane, _ = project(marks, torch.from_numpy(arrays["pose"]), scene.camera.fov_deg)
    np.testing.assert_allclose(arrays["landmarks"], plane, atol=1e-6)
    mean = arrays["image_32"].reshape(2, 16, 2, 16, 2, 3).astype(float).mean((2, 4))
    assert abs(mean - arrays["image_16"]).max() <= 1
    background = np.round(np.array(BACKGROUND) * 255)
    assert (arrays["image_16"][:, 0, 0] == background).all()


def test_pool_is_complete_reads_back_and_repeats(
    head_model, statistics, config, data, scene, tmp_path, one_core
):
    outs = [tmp_path / name / "manifest.json" for name in ("one", "two")]
    for out in outs:
        run_pool(config, PoolJob(data=data, statistics=statistics, head_model=head_model, out=out))
        with Image.open(out.with_name("sheet.png")) as sheet:
            assert np.asarray(sheet).std() > 10
    manifest = load_manifest(outs[0])
    assert (manifest.name, manifest.camera, manifest.background) == ("mine", Camera(), BACKGROUND)
    assert (manifest.resolutions, manifest.offers) == ((16, 32), OFFERS)
    assert {name: split.count for name, split in manifest.splits.items()} == {"train": 5, "test": 3}
    assert [shard.count for shard in manifest.splits["train"].shards] == [3, 2]
    assert load_images(manifest, "train", 16).shape == (5, 3, 16, 16)
    for kind in ("depth", "depth_b"):
        depth, mask = load_depth(manifest, "test", 32, kind)
        assert 0.05 < mask.float().mean() < 0.9 and (depth[mask] < scene.camera.far).all()
    stored = load_split(manifest, "train", ["z", "z_b", "pose", "flow_16"])
    assert stored["z"].shape == stored["z_b"].shape == (5, 38)
    assert stored["flow_16"].dtype == np.float16
    expected = draw_conditions(Statistics.load(statistics), scene, "train", range(5))
    np.testing.assert_array_equal(stored["z"], expected.z)
    np.testing.assert_array_equal(stored["pose"], expected.pose)
    for path in outs[0].parent.glob("*.safetensors"):
        assert path.read_bytes() == outs[1].with_name(path.name).read_bytes()


@pytest.mark.parametrize(
    "camera", [Camera(law="uniform", yaw=0.1, pitch=0.05, yaw_mean=0.4), Camera(fov_deg=20.0)]
)
def test_conditions_are_seen_as_the_data_set_is(
    head_model, statistics, config, tmp_path, one_core, camera
):
    data = data_set(tmp_path / "data" / "manifest.json", camera)
    out = tmp_path / "pool" / "manifest.json"
    run_pool(config, PoolJob(data=data, statistics=statistics, head_model=head_model, out=out))
    manifest = load_manifest(out)
    assert manifest.camera == camera
    stored = load_split(manifest, "train", ["pose", "landmarks", "landmarks_3d"])
    pose, marks, marks_3d = (torch.from_numpy(stored[name]) for name in sorted(stored, key=len))
    scene = Scene(camera, BACKGROUND, (16, 32), 0)
    expected = draw_conditions(Statistics.load(statistics), scene, "train", range(5)).pose
    np.testing.assert_array_equal(pose, expected)
    seen, _ = project(marks_3d, pose, camera.fov_deg)
    np.testing.assert_allclose(seen, marks, atol=1e-6)
    if camera.law == "uniform":
        off = (pose - torch.tensor([0.4, 0.0])) / torch.tensor([0.1, 0.05])
        assert off.abs().max() <= 1


def test_a_missing_data_set_is_named(head_model, statistics, config, tmp_path):
    files = PoolJob(
        data=tmp_path / "none.json",
        statistics=statistics,
        head_model=head_model,
        out=tmp_path / "p" / "m.json",
    )
    with pytest.raises(InputError, match=r"none\.json"):
        run_pool(config, files)


def test_statistics_of_another_model_are_refused(head_model, tmp_path):
    path = tmp_path / "other.npz"
    for block in BLOCKS:
        toy_statistics(SIZES | {block: SIZES[block] + 1}).save(path)
        with pytest.raises(InputError, match=r"other\.npz: coefficients of another head model"):
            load_pair(head_model, path)


def test_heads_out_of_view_are_an_error_and_leave_the_pool_that_was_there(
    head_model, statistics, config, data, tmp_path, one_core, arrays
):
    from gof.run.files import write_npz

    far_away = tmp_path / "far.npz"
    write_npz(far_away, arrays | {"mean": arrays["mean"] + np.float32(5)})
    out = tmp_path / "pool" / "manifest.json"
    run_pool(config, PoolJob(data=data, statistics=statistics, head_model=head_model, out=out))
    before = out.read_bytes()
    with pytest.raises(InputError, match="no head is in view"):
        run_pool(config, PoolJob(data=data, statistics=statistics, head_model=far_away, out=out))
    assert out.read_bytes() == before and len(load_split(load_manifest(out), "train", ["z"])["z"])


def test_faces_that_leave_the_image_are_counted(
    head_model, statistics, tmp_path, one_core, capsys, config
):
    from gof.run.files import read_json

    near = data_set(tmp_path / "near" / "manifest.json", Camera(fov_deg=5.0))
    out = tmp_path / "pool" / "manifest.json"
    run_pool(config, PoolJob(data=near, statistics=statistics, head_model=head_model, out=out))
    assert read_json(out.with_name("pool.json"))["numbers"]["faces_beyond_image"] == 5
    assert "5 of 5 faces reach beyond the image" in capsys.readouterr().err


def test_sizes_that_cannot_be_averaged_are_refused():
    with pytest.raises(ConfigError, match="divide twice the largest"):
        Config.parse({"faces": {"pool": {"resolutions": [24, 64]}}})
