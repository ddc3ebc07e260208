"""The data set `heads`, on a toy head model."""

import os

import numpy as np
import pytest
import torch
from PIL import Image

from gof.config.errors import ConfigError
from gof.data.manifest import load_manifest
from gof.data.reader import load_depth, load_images, load_split
from gof.data.settings import OFFERS
from gof.experiment.config import Config
from gof.geometry.cameras import camera_rays, project
from gof.heads import render as heads
from gof.heads.render import random_heads, render_heads
from gof.heads.settings import RenderedHeads
from gof.morphable.model import MorphableModel
from gof.run.files import InputError, sha256
from gof.sources.make import make


@pytest.fixture
def config():
    sizes = {"train": 7, "validation": 3, "test": 4, "shard_size": 5, "resolutions": [16, 32]}
    return Config.parse(
        {
            "datasets": {"mine": {"source": "heads", **sizes, "background": [0.0, 1.0, 0.0]}},
            "tracking": {"enabled": False},
        }
    )


@pytest.fixture
def settings(config):
    return config.dataset("mine", RenderedHeads)


def rendered(config, head_model, out):
    make(config, "mine", {"head_model": head_model}, out)


@pytest.fixture
def one_core(monkeypatch):
    """Render in this process: starting others takes seconds."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})


def test_sample_does_not_depend_on_its_batch(head_model, settings):
    model = MorphableModel.load(head_model)
    together = random_heads(model, settings, "train", range(6))
    alone = random_heads(model, settings, "train", [4])
    for name in ("identity", "expression", "albedo", "light", "pose"):
        assert torch.equal(getattr(together, name)[4], getattr(alone, name)[0])
    first = render_heads(model, together, settings)["image_32"][4].astype(int)
    assert abs(first - render_heads(model, alone, settings)["image_32"][0]).max() <= 1


def test_splits_share_no_identity(head_model, settings):
    model = MorphableModel.load(head_model)
    drawn = [random_heads(model, settings, s, range(40)).identity for s in ("train", "test")]
    assert torch.cdist(*drawn).min() > 1e-3
    assert len(torch.cat(drawn).unique(dim=0)) == 80


def test_render_agrees_with_its_ground_truth(head_model, settings):
    model = MorphableModel.load(head_model)
    drawn = random_heads(model, settings, "train", range(3))
    arrays = render_heads(model, drawn, settings)
    vertices = model.vertices(drawn.identity, drawn.expression)
    np.testing.assert_allclose(arrays["landmarks_3d"], vertices[:, model.landmarks], atol=1e-7)
    plane, _ = project(vertices[:, model.landmarks], drawn.pose, settings.camera.fov_deg)
    np.testing.assert_allclose(arrays["landmarks"], plane, atol=1e-6)
    for size in (16, 32):
        mask = arrays[f"depth_{size}"] > 0
        assert 0.1 < mask.mean() < 0.9
        length = np.linalg.norm(arrays[f"normal_{size}"].astype(float), axis=-1)
        assert (abs(length[mask] - 127) < 1.5).all() and (length[~mask] == 0).all()
        corner = arrays[f"image_{size}"][:, 0, 0]
        assert (corner == (0, 255, 0)).all()
        rays = camera_rays(drawn.pose, size, settings.camera.fov_deg).directions
        toward = (arrays[f"normal_{size}"].reshape(3, -1, 3) * rays.numpy()).sum(-1)
        assert (toward[mask.reshape(3, -1)] < 30).mean() > 0.98  # normals look at the camera
    assert arrays["image_16"].dtype == np.uint8 and arrays["normal_16"].dtype == np.int8


def test_small_images_are_area_averages_of_large_ones(head_model, settings):
    model = MorphableModel.load(head_model)
    arrays = render_heads(model, random_heads(model, settings, "train", range(2)), settings)
    mean = arrays["image_32"].reshape(2, 16, 2, 16, 2, 3).astype(float).mean((2, 4))
    assert abs(mean - arrays["image_16"]).max() <= 1


def test_data_set_is_complete_and_reads_back(head_model, config, settings, tmp_path, one_core):
    out = tmp_path / "data" / "manifest.json"
    rendered(config, head_model, out)
    manifest = load_manifest(out)
    assert {name: split.count for name, split in manifest.splits.items()} == {
        "train": 7,
        "validation": 3,
        "test": 4,
    }
    assert [shard.count for shard in manifest.splits["train"].shards] == [5, 2]
    assert load_images(manifest, "train", 32).shape == (7, 3, 32, 32)
    assert load_images(manifest, "test", 8).shape == (4, 3, 8, 8)
    depth, mask = load_depth(manifest, "test", 32)
    assert mask.any() and (depth[mask] > settings.camera.near).all()
    pose = load_split(manifest, "validation", ["pose"])["pose"]
    model = MorphableModel.load(head_model)
    np.testing.assert_array_equal(
        pose, random_heads(model, settings, "validation", range(3)).pose.numpy()
    )
    with Image.open(out.with_name("sheet.png")) as sheet:
        assert sheet.width > 0
    assert (tmp_path / "data" / "data.json").is_file()
    assert (manifest.name, manifest.offers) == ("mine", OFFERS)
    assert (manifest.camera, manifest.background) == (settings.camera, (0.0, 1.0, 0.0))
    assert (manifest.resolutions, manifest.flip) == ((16, 32), settings.flip)
    assert manifest.provenance == {"source": "heads", "head_model": sha256(head_model), "seed": 0}


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"background": [0.0, 0.0, 1.0]}, "image_16"),
        ({"camera": {"fov_deg": 20.0}}, "image_16"),
        ({"camera": {"near": 0.5}}, "depth_16"),
        ({"camera": {"law": "sphere"}}, "pose"),
        ({"camera": {"yaw_mean": 0.3}}, "pose"),
        ({"seed": 4}, "identity"),
    ],
)
def test_every_setting_of_a_data_set_reaches_its_renders(head_model, settings, change, kind):
    model = MorphableModel.load(head_model)

    def arrays(own):
        return render_heads(model, random_heads(model, own, "train", range(2)), own)

    changed = RenderedHeads.model_validate(settings.model_dump() | change)
    assert not np.array_equal(arrays(settings)[kind], arrays(changed)[kind])


def test_two_data_sets_of_one_configuration_differ_as_they_say(head_model, tmp_path, one_core):
    small = {"source": "heads", "train": 1, "validation": 1, "test": 1, "resolutions": [16]}
    front = {"yaw": 0, "pitch": 0, "yaw_mean": 0.25}
    datasets = {"one": {**small, "camera": front}, "two": {**small, "flip": False, "seed": 1}}
    config = Config.parse({"datasets": datasets, "tracking": {"enabled": False}})
    found = []
    for name in datasets:
        out = tmp_path / name / "data" / "manifest.json"
        make(config, name, {"head_model": head_model}, out)
        found.append(load_manifest(out))
    one, two = found
    assert (one.name, two.name, one.flip, two.flip) == ("one", "two", True, False)
    assert one.camera.yaw_mean == 0.25 and two.camera.yaw_mean == 0.0
    assert load_split(one, "train", ["pose"])["pose"].tolist() == [[0.25, 0.0]]
    assert one.splits["train"].shards[0].sha256 != two.splits["train"].shards[0].sha256


def test_second_run_gives_the_same_bytes(head_model, config, tmp_path, one_core):
    outs = [tmp_path / name / "manifest.json" for name in ("one", "two")]
    for out in outs:
        rendered(config, head_model, out)
    for path in sorted(outs[0].parent.glob("*.safetensors")):
        assert path.read_bytes() == (outs[1].parent / path.name).read_bytes()
    assert outs[0].read_bytes() == outs[1].read_bytes()


@pytest.mark.slow
def test_processes_do_not_change_a_byte(head_model, config, tmp_path, monkeypatch):
    many, one = tmp_path / "many" / "manifest.json", tmp_path / "one" / "manifest.json"
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2})
    rendered(config, head_model, many)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    rendered(config, head_model, one)
    assert many.read_bytes() == one.read_bytes()


def test_a_crash_leaves_the_data_set_that_was_there(
    head_model, config, tmp_path, one_core, monkeypatch
):
    out = tmp_path / "data" / "manifest.json"
    rendered(config, head_model, out)
    before = load_split(load_manifest(out), "train", ["pose"])["pose"]
    real, calls = heads.write_shard, []

    def fail_on_third(path, arrays):
        calls.append(path)
        if len(calls) == 3:
            raise InputError("disk full")
        return real(path, arrays)

    monkeypatch.setattr(heads, "write_shard", fail_on_third)
    with pytest.raises(InputError, match="disk full"):
        rendered(config, head_model, out)
    after = load_split(load_manifest(out), "train", ["pose"])["pose"]
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize(
    "values, message",
    [
        ({"resolutions": [24, 64]}, "divide twice the largest"),
        ({"resolutions": []}, "divide twice the largest"),
        ({"identities_for_pca": 50}, "must be fewer than identities_for_pca"),
    ],
)
def test_settings_that_cannot_be_rendered_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        Config.parse({"datasets": {"mine": {"source": "heads", **values}}})
