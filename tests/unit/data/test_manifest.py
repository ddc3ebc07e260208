"""Shards and manifest: what is written comes back, what was changed is refused."""

import json

import numpy as np
import pytest
import torch

from gof.data.manifest import Manifest, Split, encode_depth, load_manifest, write_manifest
from gof.data.reader import load_depth, load_images, load_split
from gof.data.settings import Photographs
from gof.data.shards import load_shard, write_shard
from gof.geometry.images import shrink
from gof.geometry.settings import Camera
from gof.run.files import InputError, read_json, write_json

CAMERA = Camera()


@pytest.fixture
def data(tmp_path):
    """Two shards of 3 and 2 images at 8 and 16 px; returns the manifest and the true arrays."""
    rng = np.random.default_rng(0)
    depth = torch.from_numpy(rng.uniform(CAMERA.near, CAMERA.far, (5, 16, 16)).astype(np.float32))
    depth[:, :4] = 0
    arrays = {
        "image_16": rng.integers(0, 256, (5, 16, 16, 3), dtype=np.uint8),
        "image_8": rng.integers(0, 256, (5, 8, 8, 3), dtype=np.uint8),
        "depth_16": encode_depth(depth, CAMERA).numpy(),
        "pose": rng.normal(size=(5, 2)).astype(np.float32),
    }
    shards = tuple(
        write_shard(tmp_path / f"train-{k:03d}", {n: a[own] for n, a in arrays.items()})
        for k, own in enumerate((slice(0, 3), slice(3, 5)))
    )
    splits = {"train": Split(5, shards), "test": Split(0, ())}
    path = tmp_path / "manifest.json"
    offers, provenance = ("images", "depth"), {"seed": 3}
    place = CAMERA, (1.0, 0.5, 0.0), (8, 16)
    manifest = Manifest(path, "toy", *place, splits, provenance, offers, flip=True)
    write_manifest(manifest)
    return manifest, arrays, depth


def test_manifest_comes_back_equal(data):
    manifest, _, _ = data
    assert load_manifest(manifest.path) == manifest
    written = json.loads(manifest.path.read_text())
    assert (written["offers"], written["flip"]) == (["images", "depth"], True)


def test_what_was_made_for_another_data_set_contradicts_it(data, tmp_path):
    manifest, _, _ = data
    other, colour = tmp_path / "generator.yaml", manifest.background
    manifest.must_be_seen_by(other, CAMERA, [value + 1e-7 for value in colour])
    for camera, background, said in (
        (
            CAMERA.model_copy(update={"fov_deg": 30.0}),
            colour,
            r"camera\.fov_deg is 30\.0, .* 12\.0",
        ),
        (
            CAMERA.model_copy(update={"law": "sphere"}),
            colour,
            r"camera\.law is sphere, .* gaussian",
        ),
        (CAMERA, (1.0, 0.5, 0.1), r"background is \(1\.0, 0\.5, 0\.1\), .*0\.0\)"),
    ):
        with pytest.raises(InputError, match=rf"generator\.yaml: its {said}") as raised:
            manifest.must_be_seen_by(other, camera, background)
        assert "\n" not in str(raised.value)


def test_a_manifest_is_made_after_the_settings_of_its_data_set(tmp_path):
    values = {
        "source": "photographs",
        "folder": "x",
        "camera": {"law": "sphere", "elevation": [0.1, 0.2], "near": 0.5},
        "background": [0.1, 0.2, 0.3],
        "resolutions": [16, 32],
        "flip": False,
    }
    splits = {"train": Split(0, ())}
    path = tmp_path / "manifest.json"
    settings = Photographs.model_validate(values)
    write_manifest(Manifest.of(path, "mine", settings, splits, ("images", "poses")))
    found = load_manifest(path)
    assert found.camera == Camera(law="sphere", elevation=(0.1, 0.2), near=0.5)
    assert (found.name, found.background, found.resolutions) == ("mine", (0.1, 0.2, 0.3), (16, 32))
    assert (found.offers, found.flip) == (("images", "poses"), False)
    assert found.splits == splits and found.provenance == {"source": "photographs"}


def test_arrays_come_back_in_order(data):
    manifest, arrays, _ = data
    found = load_split(manifest, "train", ["pose", "image_8"])
    assert set(found) == {"pose", "image_8"}
    for name, array in found.items():
        np.testing.assert_array_equal(array, arrays[name])


def test_images_come_from_the_smallest_stored_multiple(data):
    manifest, arrays, _ = data
    exact = load_images(manifest, "train", 16)
    assert exact.dtype == torch.uint8
    np.testing.assert_array_equal(exact.permute(0, 2, 3, 1), arrays["image_16"])
    small = load_images(manifest, "train", 4)
    mean = arrays["image_8"].reshape(5, 4, 2, 4, 2, 3).astype(float).mean((2, 4))
    np.testing.assert_allclose(small.permute(0, 2, 3, 1), mean, atol=0.51)


@pytest.mark.parametrize("resolution", [5, 32])
def test_sizes_that_cannot_be_made_are_refused(data, resolution):
    with pytest.raises(InputError, match=f"no stored size is a multiple of {resolution}"):
        load_images(data[0], "train", resolution)


def test_depth_is_accurate_to_its_step_and_background_is_zero(data):
    manifest, _, depth = data
    found, mask = load_depth(manifest, "train", 16)
    assert torch.equal(mask, depth > 0)
    assert (found[~mask] == 0).all()
    step = (CAMERA.far - CAMERA.near) / 65534
    assert (found - depth)[mask].abs().max() <= step / 2 + 1e-7


def test_depth_at_other_sizes_is_refused(data):
    with pytest.raises(InputError, match="no depth at 4 pixels"):
        load_depth(data[0], "train", 4)


@pytest.mark.parametrize("place", [50, 1000, -1])
def test_one_changed_byte_names_the_shard(data, place):
    manifest, _, _ = data
    path = manifest.path.parent / manifest.splits["train"].shards[1].file
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"train-001\.\w+\.safetensors: changed"):
        load_split(manifest, "train", ["pose"])


def test_missing_shard_array_and_split_are_named(data):
    manifest, _, _ = data
    with pytest.raises(InputError, match="holds no light"):
        load_split(manifest, "train", ["light"])
    for split in ("test", "tset"):
        with pytest.raises(InputError, match=f"no images in split '{split}' .there are: train"):
            load_split(manifest, split, ["pose"])
    (manifest.path.parent / manifest.splits["train"].shards[0].file).unlink()
    with pytest.raises(InputError, match=r"train-000\.\w+\.safetensors: no such file"):
        load_split(manifest, "train", ["pose"])


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda v: v.pop("splits"), "not a data set manifest"),
        (lambda v: v.update(format=1), "format 1, .*: make it again"),
        (lambda v: v["camera"].update(fov_deg=-1), "not a data set manifest"),
        (lambda v: v.update(background=[1, 2]), "not a data set manifest"),
        (lambda v: v["splits"]["train"]["shards"][0].pop("sha256"), "not a data set manifest"),
        (lambda v: v.update(splits=[]), "not a data set manifest"),
        (lambda v: v.pop("offers"), "not a data set manifest"),
        (lambda v: v.pop("flip"), "not a data set manifest"),
        (lambda v: v["camera"].update(law="cone"), "not a data set manifest"),
    ],
)
def test_manifest_that_cannot_be_used_is_one_line(data, change, message):
    path = data[0].path
    values = read_json(path)
    change(values)
    write_json(path, values)
    with pytest.raises(InputError, match=message) as error:
        load_manifest(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_shards_have_the_same_bytes_each_time(tmp_path):
    arrays = {"a": np.arange(12).reshape(3, 4), "b": np.zeros((3, 2), np.float32)}
    one, two = (write_shard(tmp_path / n, arrays) for n in ("one", "two"))
    assert one.sha256 == two.sha256 and one.count == 3
    np.testing.assert_array_equal(load_shard(tmp_path / one.file)["a"], arrays["a"])


def test_depth_outside_the_range_is_kept_at_its_ends():
    depth = torch.tensor([0.0, 0.5, CAMERA.near, CAMERA.far, 3.0])
    assert encode_depth(depth, CAMERA).tolist() == [0, 1, 1, 65535, 65535]


@pytest.mark.parametrize(("size", "channels"), [(8, 3), (4, 1), (2, 5), (1, 3)])
def test_areas_are_averaged(size, channels):
    images = torch.rand(3, 8, 8, channels, generator=torch.Generator().manual_seed(size))
    k = 8 // size
    expected = images.double().view(3, size, k, size, k, channels).mean((2, 4))
    torch.testing.assert_close(shrink(images, size).double(), expected, rtol=0, atol=1e-6)
    turned = images.permute(0, 2, 1, 3)  # not contiguous
    torch.testing.assert_close(shrink(turned, size).double(), expected.transpose(1, 2))
