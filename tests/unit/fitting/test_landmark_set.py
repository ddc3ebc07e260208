"""Landmarks of a data set: three sources, one file format."""

from dataclasses import asdict

import numpy as np
import pytest
import torch
from PIL import Image

from gof.data.manifest import load_manifest
from gof.data.reader import load_images, load_split
from gof.data.shards import load_shard, write_shard
from gof.experiment.config import Config
from gof.fitting import landmark_set as module
from gof.fitting.jobs import LandmarksJob
from gof.fitting.landmark_set import Landmarks, detect, load_landmarks, run_landmarks
from gof.readers.convnet import ConvRegressor
from gof.readers.files import save_regressor
from gof.run.files import InputError, read_json, sha256, write_json


def config(source):
    settings = {"faces": {"landmarks": {"source": source}}, "tracking": {"enabled": False}}
    return Config.parse(settings)


def truth(manifest, split):
    return torch.from_numpy(load_split(load_manifest(manifest), split, ["landmarks"])["landmarks"])


def finder(seen):
    """Stands in for face-alignment: as many faces as the next number of `seen`, at fixed pixels."""
    counts = iter(seen)

    def find(image):
        assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3
        points = np.stack([np.arange(68) % 32, np.arange(68) // 4], -1)
        return [(points + k, np.full(68, 0.5)) for k in range(next(counts))]

    return find


def test_truth_is_that_of_the_data_set(tiny_heads, tmp_path):
    out = tmp_path / "marks" / "landmarks.json"
    run_landmarks(config("truth"), LandmarksJob(data=tiny_heads, out=out))
    for split, count in (("train", 12), ("validation", 1), ("test", 4)):
        found = load_landmarks(out, split)
        torch.testing.assert_close(found.points, truth(tiny_heads, split))
        assert found.found.tolist() == [True] * count and (found.confidence == 1).all()
    numbers = read_json(out)["numbers"]
    assert numbers["source"] == "truth" and "weights_sha256" not in numbers
    assert numbers["splits"]["train"] == {"images": 12, "found": 12, "none": 0, "several": 0}
    shards = numbers["shards"]["train"]
    assert [shard["file"].split(".")[0] for shard in shards] == ["train-000", "train-001"]
    assert all(sha256(out.with_name(shard["file"])) == shard["sha256"] for shard in shards)


def test_the_picture_shows_landmarks_where_they_are(tiny_heads, tmp_path):
    out = tmp_path / "landmarks.json"
    run_landmarks(config("truth"), LandmarksJob(data=tiny_heads, out=out))
    pixels = np.array(Image.open(out.with_suffix(".png"))).astype(int)
    assert pixels.shape == (2 * module.TILE, 8 * module.TILE, 3)
    green = (abs(pixels - (0, 230, 70)) < 3).all(-1)
    points = truth(tiny_heads, "train")[:12]
    for k, own in enumerate(points):
        tile = green[k // 8 * module.TILE :, k % 8 * module.TILE :][: module.TILE, : module.TILE]
        inside = own[(own.abs() < 0.95).all(-1)]
        column = ((inside[:, 0] + 1) / 2 * module.TILE).long()
        row = ((1 - inside[:, 1]) / 2 * module.TILE).long()
        assert tile[row, column].all() and tile.mean() < 0.05


def test_a_data_set_without_truth_is_named(tiny_heads, tmp_path):
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    manifest = read_json(tiny_heads)
    for split in manifest["splits"].values():
        for shard in split["shards"]:
            arrays = load_shard(tiny_heads.parent / shard["file"])
            del arrays["landmarks"]
            shard |= asdict(write_shard(photographs / shard["file"].split(".")[0], arrays))
    path = photographs / "manifest.json"
    write_json(path, manifest)
    with pytest.raises(InputError, match=r"-000\.\w+\.safetensors: holds no landmarks"):
        run_landmarks(config("truth"), LandmarksJob(data=path, out=tmp_path / "landmarks.json"))
    assert not (tmp_path / "landmarks.json").exists()


def test_detector_goes_on_and_counts_what_it_leaves_out(tiny_heads, tmp_path, monkeypatch, capsys):
    counts = [1, 0, 2, 1, 1, 1, 1, 1, 0, 1, 1, 3]
    monkeypatch.setattr(module, "load", lambda device: find)
    weights = tmp_path / "network.pth"
    weights.write_bytes(b"weights")
    monkeypatch.setattr(module, "find_weights", lambda: {"network.pth": weights})
    find = finder([1] * 4 + counts + [1])  # splits in the order of the manifest: test first
    out = tmp_path / "landmarks.json"
    run_landmarks(config("detector"), LandmarksJob(data=tiny_heads, out=out))
    found = load_landmarks(out, "train")
    assert found.faces.tolist() == counts
    assert found.found.tolist() == [count == 1 for count in counts]
    numbers = read_json(out)["numbers"]
    assert numbers["splits"]["train"] == {"images": 12, "found": 8, "none": 2, "several": 2}
    assert numbers["weights_sha256"] == {"network.pth": sha256(weights)}
    said = capsys.readouterr().err
    assert "split train: 2 images without a face, 2 with several" in said
    assert "split test" not in said


def test_no_face_anywhere_is_one_clear_error(tiny_heads, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "load", lambda device: finder([0] * 17))
    with pytest.raises(InputError, match="no image shows just one face"):
        run_landmarks(
            config("detector"), LandmarksJob(data=tiny_heads, out=tmp_path / "landmarks.json")
        )
    assert not (tmp_path / "landmarks.json").exists()


def test_regressor_reads_the_images(tiny_heads, tmp_path):
    network = ConvRegressor(9, 4)
    network.reset(0, "judge")
    network.scale.fill_(0.2)
    path = tmp_path / "regressor.yaml"
    save_regressor(path, network, {"name": "judge"})
    out = tmp_path / "landmarks.json"
    run_landmarks(config("regressor"), LandmarksJob(data=tiny_heads, regressor=path, out=out))
    images = load_images(load_manifest(tiny_heads), "test", 32).float() / 127.5 - 1
    with torch.no_grad():
        expected = network.eval()(images).landmarks
    torch.testing.assert_close(load_landmarks(out, "test").points, expected)
    assert set(read_json(out)["inputs"]) == {"data", "regressor"}
    with pytest.raises(InputError, match="--regressor: needed"):
        run_landmarks(config("regressor"), LandmarksJob(data=tiny_heads, out=out))


def test_changed_or_absent_files_are_named(tiny_heads, tmp_path):
    out = tmp_path / "landmarks.json"
    with pytest.raises(InputError, match=r"landmarks\.json: no such file"):
        load_landmarks(out, "train")
    run_landmarks(config("truth"), LandmarksJob(data=tiny_heads, out=out))
    with pytest.raises(InputError, match="no landmarks of split 'more'"):
        load_landmarks(out, "more")
    (shard,) = out.parent.glob("train-001.*")
    content = bytearray(shard.read_bytes())
    content[-30] ^= 1
    shard.write_bytes(content)
    with pytest.raises(InputError, match=r"train-001\.\w+\.\w+: changed since it was written"):
        load_landmarks(out, "train")
    assert len(load_landmarks(out, "test").points) == 4
    shard.unlink()
    with pytest.raises(InputError, match=r"train-001\.\w+\.safetensors: no such file"):
        load_landmarks(out, "train")


def test_small_images_are_enlarged_for_the_detector():
    shown = []

    def find(image):
        shown.append(image)
        return [(np.full((68, 2), 127), np.full(68, 0.5))]

    small = (
        torch.arange(64 * 64, dtype=torch.float).view(64, 64).div(16).byte().expand(1, 3, -1, -1)
    )
    found = detect(small, find)
    assert shown[0].shape == (256, 256, 3)
    block = shown[0].reshape(64, 4, 64, 4, 3).mean((1, 3))
    assert abs(block - small[0].permute(1, 2, 0).numpy()).max() < 3
    torch.testing.assert_close(found.points, torch.tensor([-0.5, 0.5]).expand(1, 68, 2) / 128)


def test_the_first_of_several_faces_is_kept_but_not_taken_for_the_only_one():
    found = detect(torch.zeros(2, 3, 32, 32, dtype=torch.uint8), finder([2, 1]))
    assert isinstance(found, Landmarks)
    torch.testing.assert_close(found.points[0], found.points[1])
    assert found.found.tolist() == [False, True] and (found.confidence == 0.5).all()
