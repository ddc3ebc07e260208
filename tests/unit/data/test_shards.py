"""Shards hold what was written, row by row, and foreign files are refused in one line."""

import json

import numpy as np
import pytest
import safetensors.numpy

from gof.data import shards
from gof.data.shards import Shard, load_shard, opened, read_header, read_rows, write_shard
from gof.run.files import InputError

DTYPES = ("uint8", "int8", "uint16", "float16", "float32", "float64", "int64", "bool")


def arrays_of_all_kinds(count=7):
    draw = np.random.default_rng(0)
    shapes = [(count,), (count, 3), (count, 2, 5), (count, 4, 4, 3)]
    return {
        f"{dtype}_{len(shape)}": draw.integers(0, 100, shape).astype(dtype)
        for dtype in DTYPES
        for shape in shapes
    }


def read(path, name, numbers, places=None):
    stored = read_header(path)[name]
    out = np.zeros((len(numbers), *stored.shape[1:]), stored.dtype)
    with opened(path) as handle:
        assert read_rows(handle, stored, numbers, out, places or list(range(len(numbers))))
    return out


def test_every_kind_of_array_comes_back_row_by_row(tmp_path):
    arrays = arrays_of_all_kinds()
    shard = write_shard(tmp_path / "train-000", arrays)
    path = tmp_path / shard.file
    assert shard.count == 7 and shard.bytes == path.stat().st_size
    header = read_header(path)
    assert set(header) == set(arrays)
    for name, array in arrays.items():
        assert (header[name].dtype, header[name].shape) == (array.dtype, array.shape)
        for numbers in ([3], [0, 1, 2], [6, 5, 0], [2, 2, 3, 4, 4], list(range(7)), []):
            np.testing.assert_array_equal(read(path, name, numbers), array[numbers])
        np.testing.assert_array_equal(read(path, name, [1, 2, 3], [2, 1, 0]), array[[3, 2, 1]])
    whole = load_shard(path)
    assert whole.keys() == arrays.keys()
    assert all(np.array_equal(whole[name], array) for name, array in arrays.items())


def test_the_library_reads_the_same(tmp_path):
    arrays = arrays_of_all_kinds()
    path = tmp_path / write_shard(tmp_path / "train-000", arrays).file
    theirs = safetensors.numpy.load_file(path)
    assert all(np.array_equal(theirs[name], array) for name, array in arrays.items())


def test_arrays_in_any_order_of_memory_are_kept(tmp_path):
    turned = np.arange(24).reshape(2, 3, 4).transpose(1, 2, 0)[::2]
    path = tmp_path / write_shard(tmp_path / "train-000", {"a": turned}).file
    np.testing.assert_array_equal(load_shard(path)["a"], turned)


def hostile(header, data=b"\0" * 24, size=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if size is None else size).to_bytes(8, "little") + text + data


def array(dtype="U8", shape=(3, 8), offsets=(0, 24)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


HOSTILE = {
    "empty": b"",
    "short": b"\1\0",
    "no header": hostile(b""),
    "no json": hostile(b"{a"),
    "a list": hostile([1]),
    "a huge header": hostile({"a": array()}, size=2**63),
    "a large header": hostile({"a" * shards.LARGEST_HEADER: array()}),
    "a header beyond the file": hostile({"a": array()}, size=1000),
    "nested without end": hostile(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "an unknown type": hostile({"a": array("Q7")}),
    "a type that no shard has": hostile({"a": array("BF16", (3, 4))}),
    "a shape that is none": hostile({"a": array(shape=("x", 2))}),
    "a negative size": hostile({"a": array(shape=(-3, -8))}),
    "sizes that overflow": hostile({"a": array(shape=(2**62, 2**62))}),
    "more than its bytes": hostile({"a": array(shape=(4, 8))}),
    "beyond the file": hostile({"a": array(shape=(3, 9), offsets=(0, 27))}),
    "before the file": hostile({"a": array(offsets=(-24, 0))}),
    "the wrong way round": hostile({"a": array(offsets=(24, 0))}),
    "an overlap": hostile({"a": array(), "b": array(shape=(2, 8), offsets=(8, 24))}),
    "a gap": hostile({"a": array(shape=(1, 8), offsets=(16, 24))}),
    "bytes behind": hostile({"a": array()}, b"\0" * 25),
    "bytes missing": hostile({"a": array()}, b"\0" * 23),
    "no offsets": hostile({"a": {"dtype": "U8", "shape": [3, 8]}}),
    "an entry that is none": hostile({"a": 3}),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_files_that_are_no_shards_are_one_line(tmp_path, content):
    path = tmp_path / "train-000.safetensors"
    path.write_bytes(content)
    for reader in (read_header, load_shard):
        with pytest.raises(InputError, match=r"train-000\.safetensors: damaged") as error:
            reader(path)
        assert "\n" not in str(error.value) and len(str(error.value)) < 400


def test_what_the_hostile_ones_spoil_is_well_formed(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(hostile({"__metadata__": {"b": "c"}, "a": array()}))
    assert list(read_header(path)) == ["a"]


def test_folders_and_absent_files_are_named(tmp_path):
    with pytest.raises(InputError, match="gone: no such file"):
        read_header(tmp_path / "gone")
    with pytest.raises(InputError, match=f"{tmp_path.name}: "):
        read_header(tmp_path)


def test_a_file_that_ends_early_says_so(tmp_path):
    path = tmp_path / write_shard(tmp_path / "train-000", {"a": np.arange(9)}).file
    stored = read_header(path)["a"]
    with open(path, "rb+") as handle:
        handle.truncate(path.stat().st_size - 3)
    out = np.zeros(2, np.int64)
    with opened(path) as handle:
        assert read_rows(handle, stored, [6, 7], out, [0, 1])
        assert not read_rows(handle, stored, [7, 8], out, [0, 1])


@pytest.mark.parametrize("file", ["../train.safetensors", "/etc/passwd", "a/b", "", ".."])
def test_shards_lie_beside_their_manifest(file):
    with pytest.raises(ValueError, match="is no shard"):
        Shard(file, 3, 10, "0" * 64)
