"""Rows of a split are those of the arrays it was made from, whatever the shards."""

import os
import resource
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gof.data import reader as module
from gof.data.manifest import Manifest, Split, encode_depth, write_manifest
from gof.data.reader import Reader, Rows, load_depth, load_images, load_split
from gof.data.shards import Shard, write_shard
from gof.geometry.images import shrink
from gof.geometry.settings import Camera
from gof.run.files import InputError

COUNTS = (3, 1, 4, 2)
TOTAL = sum(COUNTS)


def arrays_of(count=TOTAL):
    draw = np.random.default_rng(1)
    depth = torch.from_numpy(draw.uniform(0.9, 1.1, (count, 16, 16)).astype(np.float32))
    depth[:, :3] = 0
    return {
        "image_16": draw.integers(0, 256, (count, 16, 16, 3), dtype=np.uint8),
        "image_8": draw.integers(0, 256, (count, 8, 8, 3), dtype=np.uint8),
        "depth_16": encode_depth(depth, Camera()).numpy(),
        "pose": draw.normal(size=(count, 2)).astype(np.float32),
        "number": np.arange(count),
    }


def written(folder: Path, arrays, counts=COUNTS) -> Manifest:
    shards, start = [], 0
    for k, count in enumerate(counts):
        own = {name: array[start : start + count] for name, array in arrays.items()}
        shards.append(write_shard(folder / f"train-{k:03d}", own))
        start += count
    path = folder / "manifest.json"
    split = Split(sum(counts), tuple(shards))
    manifest = Manifest(path, "toy", Camera(), (1.0, 1.0, 1.0), (8, 16), {"train": split})
    write_manifest(manifest)
    return manifest


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    arrays = arrays_of()
    return written(tmp_path_factory.mktemp("data"), arrays), arrays


@settings(max_examples=60, deadline=None)
@given(numbers=st.lists(st.integers(0, TOTAL - 1), max_size=25))
def test_any_rows_in_any_order(data, numbers):
    manifest, arrays = data
    reader = Reader(manifest, "train")
    found = reader.read(["pose", "image_8", "number"], numbers)
    assert list(found) == ["pose", "image_8", "number"]
    for name, rows in found.items():
        np.testing.assert_array_equal(rows, arrays[name][numbers])
        assert rows.dtype == arrays[name].dtype
    np.testing.assert_array_equal(reader.rows("pose", numbers), arrays["pose"][numbers])


def test_length_names_and_shapes(data):
    manifest, arrays = data
    reader = Reader(manifest, "train")
    assert len(reader) == TOTAL and set(reader.names) == set(arrays)
    assert {name: reader.shape(name) for name in arrays} == {
        name: array.shape[1:] for name, array in arrays.items()
    }
    assert reader.rows("image_8", []).shape == (0, 8, 8, 3)


def test_blocks_go_through_all_rows_once(data):
    reader = Reader(data[0], "train")
    for size in (1, 3, TOTAL, 100):
        blocks = list(reader.blocks(size))
        assert [k for block in blocks for k in block] == list(range(TOTAL))
        assert all(0 < len(block) <= size for block in blocks)


@pytest.mark.parametrize("resolution, source", [(16, "image_16"), (8, "image_8"), (4, "image_8")])
def test_images_are_those_stored_or_their_means(data, resolution, source):
    manifest, arrays = data
    numbers = [9, 0, 4, 4]
    found = Reader(manifest, "train").images(resolution, numbers)
    assert found.dtype == torch.uint8 and found.is_contiguous()
    stored = torch.from_numpy(arrays[source][numbers])
    wanted = shrink(stored.float(), resolution).round().byte()
    assert torch.equal(found, wanted.permute(0, 3, 1, 2))
    assert torch.equal(load_images(manifest, "train", resolution)[numbers], found)


def test_depth_and_mask_belong_to_the_rows(data):
    manifest, arrays = data
    whole, covered = load_depth(manifest, "train", 16)
    depth, mask = Reader(manifest, "train").depth(16, [7, 2])
    assert torch.equal(depth, whole[[7, 2]]) and torch.equal(mask, covered[[7, 2]])
    assert torch.equal(mask, torch.from_numpy(arrays["depth_16"][[7, 2]] > 0))


@pytest.mark.parametrize("numbers", [[-1], [0, TOTAL]])
def test_rows_that_are_not_there_are_an_error(data, numbers):
    with pytest.raises(IndexError, match=f"no rows {min(numbers)} to {max(numbers)}"):
        Reader(data[0], "train").rows("pose", numbers)


def test_only_shards_that_are_touched_are_looked_at(tmp_path):
    manifest = written(tmp_path, arrays_of())
    for k in (0, 1, 3):
        (tmp_path / manifest.splits["train"].shards[k].file).unlink()
    reader = Reader(manifest, "train")
    assert reader.rows("number", [5, 4]).tolist() == [5, 4]
    with pytest.raises(InputError, match=r"train-003.*no such file"):
        reader.rows("number", [5, 9])
    with pytest.raises(InputError, match=r"train-000.*no such file"):
        reader.verify()


def test_shards_that_do_not_fit_each_other_are_named(tmp_path):
    arrays = arrays_of()
    manifest = written(tmp_path, arrays)
    own = list(manifest.splits["train"].shards)
    wide = write_shard(tmp_path / "train-009", {"pose": arrays["pose"][:2].astype(np.float64)})
    more = Shard(own[3].file, 3, own[3].bytes, own[3].sha256)
    for shards, rows in (([own[0], wide], [0, 3]), ([own[0], more], [0, 3]), ([more], [0])):
        reader = Rows(manifest.path, shards, "make it again")
        with pytest.raises(InputError, match=r"train-00\d.*pose does not fit.*: make it again"):
            reader.rows("pose", rows)


def test_a_shard_that_changes_between_two_reads_is_refused(tmp_path):
    manifest = written(tmp_path, arrays_of())
    reader = Reader(manifest, "train")
    path = tmp_path / manifest.splits["train"].shards[1].file
    assert reader.rows("number", [3]).tolist() == [3]
    os.utime(path, ns=(1, 1))  # the same bytes
    assert reader.rows("number", [3]).tolist() == [3]
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    with pytest.raises(InputError, match=r"train-001.*changed"):
        reader.rows("number", [3])


def test_a_shard_that_is_cut_while_it_is_read_is_refused(tmp_path, monkeypatch):
    manifest = written(tmp_path, arrays_of())
    reader = Reader(manifest, "train")
    monkeypatch.setattr(module, "read_rows", lambda *_: False)
    with pytest.raises(InputError, match=r"train-000.*changed"):
        reader.rows("number", [0])


def test_threads_read_the_same(data):
    manifest, arrays = data
    reader, wrong = Reader(manifest, "train"), []

    def look(seed):
        draw = np.random.default_rng(seed)
        for _ in range(50):
            numbers = draw.integers(0, TOTAL, 5)
            if not np.array_equal(reader.rows("image_16", numbers), arrays["image_16"][numbers]):
                wrong.append(numbers)

    own = [threading.Thread(target=look, args=(seed,)) for seed in range(4)]
    for thread in own:
        thread.start()
    for thread in own:
        thread.join()
    assert not wrong


def test_no_file_stays_open_and_memory_is_what_was_asked_for(tmp_path):
    images = np.zeros((64, 128, 128, 3), np.uint8)  # 3 MiB a shard, 150 MiB in all
    shard = write_shard(tmp_path / "train-000", {"image_128": images})
    reader = Rows(tmp_path / "manifest.json", [shard] * 48, "")
    open_files = len(os.listdir("/proc/self/fd"))
    reader.rows("image_128", [0])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for numbers in reader.blocks(32):
        assert reader.rows("image_128", numbers).shape == (32, 128, 128, 3)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 40 * 1024  # KiB
    assert len(os.listdir("/proc/self/fd")) == open_files


def test_whole_arrays_are_all_rows(data):
    manifest, arrays = data
    found = load_split(manifest, "train", ["pose", "number"])
    assert set(found) == {"pose", "number"}
    for name, array in found.items():
        np.testing.assert_array_equal(array, arrays[name])
