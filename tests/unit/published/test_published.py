"""The importers of the published sets, from the address to the data set."""

import math

import numpy as np
import pytest
import torch
from PIL import Image

from gof.data import collection
from gof.data.assets import Asset, assets
from gof.data.download import default_cache, run_download
from gof.data.jobs import DownloadJob
from gof.data.manifest import load_manifest
from gof.data.reader import Reader
from gof.experiment.config import Config
from gof.published.carla import pose_of
from gof.published.cats import crop_box
from gof.published.synface import FOV_DEG, distances
from gof.run.files import InputError, read_json
from gof.sources.make import make
from gof.sources.registry import SOURCES
from tests.unit import toy_sets
from tests.unit.loopback import loopback

__all__ = ["loopback"]
SIZES = [16, 64]
SPLITS = {"celeba": (16, 4, 4), "synface": (16, 4, 4), "ffhq": (15, 4, 4)}


@pytest.fixture
def importing(loopback, tmp_path, monkeypatch):
    """Makes a set out of toy archives that are served here, or of a folder: its manifest."""
    address, served, _ = loopback
    monkeypatch.setenv("GOF_CACHE", str(tmp_path / "cache"))

    def run(name, files, **settings):
        served.update(files)
        for own, entry in toy_sets.served(files, address).items():
            monkeypatch.setitem(assets(), own, Asset(name=own, **entry))
        values = {"source": name, "resolutions": SIZES, "shard_size": 7, **settings}
        config = Config.parse({"datasets": {"own": values}, "tracking": {"enabled": False}})
        records = []
        for asset in SOURCES[name].assets(config.datasets["own"]):
            records.append(tmp_path / f"{asset}.json")
            run_download(DownloadJob(asset=asset, out=records[-1]))
        out = tmp_path / "data" / "manifest.json"
        make(config, "own", {}, out, records)
        return load_manifest(out)

    return run


def rows(manifest, split, name):
    reader = Reader(manifest, split)
    return reader.rows(name, np.arange(manifest.splits[split].count))


@pytest.mark.parametrize("name", toy_sets.ARCHIVES)
def test_a_set_goes_from_its_address_to_a_data_set(importing, name, tmp_path):
    manifest = importing(name, toy_sets.ARCHIVES[name]())
    counts = [manifest.splits[split].count for split in ("train", "validation", "test")]
    assert sum(counts) == toy_sets.COUNT
    assert name not in SPLITS or tuple(counts) == SPLITS[name]
    assert manifest.camera == SOURCES[name].section.model_fields["camera"].default
    assert rows(manifest, "train", "image_64").shape == (counts[0], 64, 64, 3)
    assert set(SOURCES[name].offers) <= set(manifest.offers)
    assert (tmp_path / "data" / "sheet.png").is_file()
    assert read_json(tmp_path / "data" / "data.json")["inputs"], "the downloads are its inputs"
    again = importing(name, toy_sets.ARCHIVES[name]())
    assert again.splits == manifest.splits


def test_celeba_is_cut_as_the_papers_do_and_keeps_its_landmarks(importing):
    manifest = importing("celeba", toy_sets.celeba())
    image = Image.fromarray(toy_sets.picture(1, 178, 218))
    # short side to 320, the middle 256: here by one resize
    factor = 320 / 178
    large = image.resize((320, round(218 * factor)), Image.Resampling.BICUBIC)
    top = (large.height - 256) / 2
    cut = large.resize((64, 64), Image.Resampling.BICUBIC, (32, top, 288, top + 256))
    gap = np.abs(rows(manifest, "train", "image_64")[0].astype(int) - np.asarray(cut))
    assert gap.mean() < 1.0
    left = (178 - 142.4) / 2
    marks = rows(manifest, "train", "landmarks_5")[0]
    expected = ((69.5 - left) / 71.2 - 1, 1 - (109.5 - (218 - 142.4) / 2) / 71.2)
    np.testing.assert_allclose(marks[0], expected, atol=1e-6)
    assert manifest.provenance["crop"].startswith("centre square of 142.4")
    report = (manifest.path.parent / "left_out.csv").read_text()
    assert "000099.jpg" in report


def test_the_released_code_s_filter_is_an_option_that_the_manifest_names(importing):
    released = importing("celeba", toy_sets.celeba(), compat="released")
    assert released.provenance["filter"] == "nearest"
    image = toy_sets.picture(1, 178, 218)
    found = rows(released, "train", "image_64")[0]
    jpeg = np.asarray(Image.open(collection.io.BytesIO(toy_sets.encoded(image, "JPEG"))))
    colours = {tuple(pixel) for pixel in jpeg.reshape(-1, 3)}
    assert all(tuple(pixel) in colours for pixel in found.reshape(-1, 3)), "nearest mixes nothing"


def test_cats_are_turned_level_and_cut_by_their_ears():
    points = np.array(
        [110, 120, 180, 120, 145, 170, 80, 90, 90, 40, 120, 80, 170, 80, 200, 45, 215, 95]
    ).reshape(9, 2)
    angle, box = crop_box(points)
    assert angle == 0 and box == (77, 66, 135, 135)
    turned = math.radians(20)
    matrix = np.array([[math.cos(turned), -math.sin(turned)], [math.sin(turned), math.cos(turned)]])
    middle = np.array([145, 120])
    found, same = crop_box((points - middle) @ matrix.T + middle)
    assert found == pytest.approx(20) and np.abs(np.subtract(same, box)).max() <= 1
    _, narrow = crop_box(points - (100, 60))
    assert narrow == (0, 6, 112, 135), "what lies left of the picture is cut off: not a square"


def test_a_turned_cat_s_eyes_lie_level(importing):
    pixels = np.zeros((260, 300, 3), np.uint8)
    text = "9 110 100 180 140 145 170 80 90 90 40 120 80 170 80 200 45 215 95"
    for x, y in ((110, 100), (180, 140)):
        pixels[y - 5 : y + 6, x - 5 : x + 6] = 255
    files = {}
    for k in range(20):
        files[f"CAT_00/{k:08d}_{k:03d}.jpg"] = toy_sets.encoded(pixels, "JPEG")
        files[f"CAT_00/{k:08d}_{k:03d}.jpg.cat"] = text
    empty = {"readme.txt": b""}
    archives = {"CAT_DATASET_01.zip": files, "CAT_DATASET_02.zip": empty}
    manifest = importing("cats", {name: toy_sets.zipped(own) for name, own in archives.items()})
    image = rows(manifest, "train", "image_64")[0][..., 0]
    bright = np.argwhere(image > 200)
    assert np.ptp(bright[:, 0]) <= 6 and np.ptp(bright[:, 1]) > 20


def test_cats_without_annotation_and_outliers_are_left_out_and_named(importing, tmp_path):
    script = tmp_path / "setting_up_script.sh"
    script.write_text("rm CAT_00/00000000_000.jpg\nrm CAT_01/00000001_001.jpg\n")
    manifest = importing("cats", toy_sets.cats(), outliers=str(script))
    total = sum(split.count for split in manifest.splits.values())
    assert total == toy_sets.COUNT - 2 and manifest.provenance["outliers"] == 2
    report = (manifest.path.parent / "left_out.csv").read_text()
    for reason in ("an outlier", "has no annotation", "cannot be read", "smaller than 64"):
        assert report.count(reason) == (2 if reason == "an outlier" else 1)
    script.write_text("nothing\n")
    with pytest.raises(InputError, match="names no images"):
        importing("cats", toy_sets.cats(), outliers=str(script))


def test_carla_lies_on_white_and_has_its_cameras(importing):
    manifest = importing("carla", toy_sets.carla(), splits={"train": 1, "validation": 0, "test": 0})
    images, poses = rows(manifest, "train", "image_64"), rows(manifest, "train", "pose")
    assert (images[:, 0, 0] == 255).all() and "poses" in manifest.offers
    k = np.arange(toy_sets.COUNT)
    expected = np.stack([k / toy_sets.COUNT * 6 - 3, 0.1 + k / toy_sets.COUNT], -1)
    np.testing.assert_allclose(poses, expected, atol=1e-6)
    assert not manifest.flip and manifest.camera.law == "sphere"
    plain = importing("carla", toy_sets.carla(), poses=False)
    assert "poses" not in plain.offers


def test_a_camera_of_carla_looks_from_where_it_stands():
    matrix = np.concatenate([np.eye(3), [[0.0], [-10.0], [0.0]]], 1)
    np.testing.assert_allclose(pose_of(matrix), [0, 0], atol=1e-7)
    matrix[:, 3] = (10, 0, 0)  # to the right of one who looks along +y, with z up
    np.testing.assert_allclose(pose_of(matrix), [math.pi / 2, 0], atol=1e-7)
    matrix[:, 3] = (0, -7, 7)
    np.testing.assert_allclose(pose_of(matrix), [0, math.pi / 4], atol=1e-7)


def test_depths_of_synface_are_distances_along_rays(importing):
    grey = np.full((170, 170), 255, np.uint8)
    grey[0] = 0
    far = distances(grey)
    corner = math.sqrt(1 + 2 * (math.tan(math.radians(FOV_DEG) / 2) * 169 / 170) ** 2)
    assert far[-1, -1] == pytest.approx(0.9 * corner) and (far[0] == 0).all()
    assert distances(np.full((2, 2), 1, np.uint8))[0, 0] > 1.099
    manifest = importing("synface", toy_sets.synface())
    depth, seen = Reader(manifest, "train").depth(64, np.arange(3))
    assert torch.is_tensor(depth) and 0.3 < seen.float().mean() < 0.5
    middle = 0.9 + 0.2 * (1 - 200 / 255)
    assert float(depth[0, 32, 32]) == pytest.approx(middle, abs=2e-3)


def test_pairs_of_synface_that_are_not_whole_are_named(importing, capsys):
    files = toy_sets.synface()
    broken = {"synface/test/depth/000001_depth_1_1.png", "synface/val/image/000002_image_1_1.png"}
    with toy_sets.zipfile.ZipFile(collection.io.BytesIO(files["synface.zip"])) as archive:
        kept = {name: archive.read(name) for name in archive.namelist()}
    kept = {name: content[:50] if name in broken else content for name, content in kept.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collection, "SKIPPABLE", 0.1)
        manifest = importing("synface", {"synface.zip": toy_sets.zipped(kept)})
    names = {"test/000001_image_1_1.png", "val/000002_image_1_1.png"}
    assert set(manifest.provenance["skipped"]) == names
    with pytest.raises(InputError, match="2 of 24 files cannot be used"):
        importing("synface", {"synface.zip": toy_sets.zipped(kept)})


def test_ffhq_is_checked_file_by_file(importing, tmp_path):
    mine = tmp_path / "mine"
    files = toy_sets.ffhq(mine)
    manifest = importing("ffhq", files, folder=str(mine))
    counts = [manifest.splits[split].count for split in ("train", "validation", "test")]
    assert tuple(counts) == SPLITS["ffhq"]
    assert "00003.png" in (manifest.path.parent / "left_out.csv").read_text()
    changed = next(mine.rglob("00002.png"))
    changed.write_bytes(toy_sets.encoded(toy_sets.picture(99, 128, 128)))
    with pytest.raises(InputError, match=r"00002\.png: not the file that was published"):
        importing("ffhq", files, folder=str(mine), on_bad="fail")
    with pytest.raises(InputError, match="neither holds nor is thumbnails128x128"):
        importing("ffhq", files, folder=str(tmp_path / "cache"))


@pytest.mark.parametrize("name", toy_sets.ARCHIVES)
def test_a_folder_that_is_not_the_set_is_one_line(importing, name, tmp_path):
    (tmp_path / "wrong").mkdir()
    (tmp_path / "wrong" / "readme.txt").write_text("nothing")
    for folder in ("wrong", "none"):
        with pytest.raises(InputError) as error:
            importing(name, {}, folder=str(tmp_path / folder))
        assert folder in str(error.value) and "\n" not in str(error.value)


def test_a_set_unpacked_by_the_user_needs_no_download(importing, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    for name, content in toy_sets.celeba().items():
        if name.endswith(".zip"):
            with toy_sets.zipfile.ZipFile(collection.io.BytesIO(content)) as archive:
                archive.extractall(mine)
        else:
            (mine / name).write_bytes(content)
    manifest = importing("celeba", {}, folder=str(mine))
    assert manifest.splits["train"].count == 16 and not (tmp_path / "cache").exists()
    assert default_cache() == tmp_path / "cache"


def test_files_of_other_sets_are_refused(importing):
    files = toy_sets.celeba()
    files["list_eval_partition.txt"] = b"000001.jpg 7\n"
    with pytest.raises(InputError, match="not a line of CelebA's partition"):
        importing("celeba", files)
    files = toy_sets.celeba()
    files["list_landmarks_align_celeba.txt"] = b"1\nnames\n000001.jpg 1 2 3\n"
    with pytest.raises(InputError, match="not a line of five landmarks"):
        importing("celeba", files)
