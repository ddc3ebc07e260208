"""Jobs that write shards go on where they were interrupted, and end as if they had not been."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gof.data import collection, split_writer
from gof.data.manifest import load_manifest
from gof.data.photographs import prepare
from gof.data.shards import write_shard
from gof.data.source import Making
from gof.data.unfinished import Unfinished
from gof.data.workers import render_all
from gof.experiment.config import Config
from gof.sources.make import make


def shard(folder, name, value=0):
    return write_shard(folder / name, {"value": np.full(3, value)})


def test_what_is_done_is_found_by_a_job_of_the_same_identity_only(tmp_path):
    record, first = tmp_path / "data.json", shard(tmp_path, "train-000")
    Unfinished(record, "settings", "code").add("0", first, {"seen": 7})
    assert Unfinished(record, "settings", "code").get("0") == (first, {"seen": 7})
    assert Unfinished(record, "settings", "code").get("1") is None
    assert Unfinished(record, "settings", "other code").get("0") is None
    Unfinished(record, "settings", "code").finish()
    assert Unfinished(record, "settings", "code").get("0") is None


@pytest.mark.parametrize(
    "left",
    [b"", b"{", b"[]", b"null", b'{"of": 1}', b'{"of": "OF", "done": [1]}'],
    ids=["empty", "cut", "list", "null", "no shards", "no map"],
)
def test_a_damaged_file_is_as_none(tmp_path, left):
    record = tmp_path / "data.json"
    Unfinished(record, 1).add("0", shard(tmp_path, "train-000"))
    path = tmp_path / "data.unfinished.json"
    of = json.loads(path.read_text())["of"]
    path.write_bytes(left.replace(b"OF", of.encode()))
    assert Unfinished(record, 1).get("0") is None


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_bytes(b"x" * 100)])
def test_a_shard_that_is_gone_or_changed_is_made_again(tmp_path, spoil):
    first, second = shard(tmp_path, "train-000"), shard(tmp_path, "train-001", 1)
    own = Unfinished(tmp_path / "data.json", 1)
    own.add("0", first)
    own.add("1", second)
    spoil(tmp_path / first.file)
    again = Unfinished(tmp_path / "data.json", 1)
    assert again.get("0") is None and again.get("1") == (second, {})


def test_renderings_that_are_done_are_not_rendered_again(tmp_path, monkeypatch):
    monkeypatch.setattr("gof.data.workers.cores", lambda: 1)
    unfinished = Unfinished(tmp_path / "data.json", 1)
    kept = shard(tmp_path, "elsewhere", 9)
    unfinished.add("1", kept)
    tasks = [(tmp_path, f"train-{k:03d}") for k in range(3)]
    found = render_all(lambda task: shard(*task), tasks, Unfinished(tmp_path / "data.json", 1))
    names = [each.file.split(".")[0] for each in found]
    assert names == ["train-000", "elsewhere", "train-002"]
    assert Unfinished(tmp_path / "data.json", 1).get("2") == (found[2], {})


def folder_of_images(folder, count=30):
    folder.mkdir()
    for k in range(count):
        pixels = np.random.default_rng(k).integers(0, 256, (20, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{k:02d}.png")
    (folder / "07.png").write_bytes(b"no image")
    return folder


def configured(folder):
    splits = {"train": 0.6, "validation": 0.2, "test": 0.2}
    own = {"source": "photographs", "folder": str(folder), "resolutions": [8], "shard_size": 4}
    own |= {"on_bad": "skip", "splits": splits}
    return Config.parse({"datasets": {"mine": own}, "tracking": {"enabled": False}})


@pytest.mark.parametrize("shards_before", [1, 3, 5])
def test_an_interrupted_import_ends_as_an_unbroken_one(tmp_path, monkeypatch, shards_before):
    monkeypatch.setattr(collection, "SKIPPABLE", 0.1)
    config = configured(folder_of_images(tmp_path / "images"))
    whole, broken = (tmp_path / name / "manifest.json" for name in ("whole", "broken"))
    make(config, "mine", {}, whole)

    written, decoded = [], []

    def killed(path, arrays):
        if len(written) == shards_before:
            raise KeyboardInterrupt
        written.append(path.name)
        return write_shard(path, arrays)

    def counted(image, *rest, **more):
        decoded.append(1)
        return crop(image, *rest, **more)

    crop = collection.resized
    with monkeypatch.context() as patch:
        patch.setattr(split_writer, "write_shard", killed)
        with pytest.raises(KeyboardInterrupt):
            make(config, "mine", {}, broken)
    assert not broken.exists()
    monkeypatch.setattr(collection, "resized", counted)
    make(config, "mine", {}, broken)
    assert len(decoded) == 29 - 4 * shards_before
    names = {path.name for path in whole.parent.iterdir()}
    assert {path.name for path in broken.parent.iterdir()} == names
    for name in names - {"data.json"}:
        assert (whole.parent / name).read_bytes() == (broken.parent / name).read_bytes(), name
    assert load_manifest(broken).provenance["skipped"] == ["07.png"]


def test_an_import_with_other_settings_begins_anew(tmp_path, monkeypatch):
    """Those of the call, which the configuration does not have."""
    config = configured(folder_of_images(tmp_path / "images"))
    out, clean = tmp_path / "out" / "manifest.json", tmp_path / "clean" / "manifest.json"
    monkeypatch.setattr(collection, "SKIPPABLE", 0.1)
    settings = config.datasets["mine"]
    other = settings.model_copy(update={"crop_share": 0.5})

    def killed(manifest):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(collection, "write_manifest", killed)
        with pytest.raises(KeyboardInterrupt):
            prepare(Making("mine", settings, out, {}, config))
    prepare(Making("mine", other, out, {}, config))
    prepare(Making("mine", other, clean, {}, config))
    assert load_manifest(out).files == load_manifest(clean).files


def test_an_import_of_a_folder_that_has_changed_begins_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(collection, "SKIPPABLE", 0.1)
    folder = folder_of_images(tmp_path / "images")
    out = tmp_path / "out" / "manifest.json"

    def killed(manifest):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(collection, "write_manifest", killed)
        with pytest.raises(KeyboardInterrupt):
            make(configured(folder), "mine", {}, out)
    (folder / "07.png").unlink()
    make(configured(folder), "mine", {}, out)
    manifest = load_manifest(out)
    assert manifest.provenance["skipped"] == [] and manifest.provenance["images"] == 29
    assert not list(out.parent.glob("*unfinished*"))
