"""Pickles inside of .npz files: arrays and containers, nothing that runs."""

import io
import os
import pickle
import zipfile

import numpy as np
import pytest

from gof.run.files import InputError
from gof.run.object_arrays import read_objects

TABLE = {"mean": np.arange(6.0).reshape(1, 6), "std": np.float64(2.5), "names": ["a", ("b", 1)]}


def written(path, payload: bytes, member="id.npy"):
    """An .npz of one object array with this pickle."""
    stream = io.BytesIO()
    header = {"descr": "|O", "fortran_order": False, "shape": ()}
    np.lib.format.write_array_header_1_0(stream, header)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, stream.getvalue() + payload)
    return path


def same(found) -> None:
    np.testing.assert_array_equal(found["mean"], TABLE["mean"])
    assert found["std"] == 2.5 and found["names"] == ["a", ("b", 1)]


def test_tables_come_back(tmp_path) -> None:
    np.savez(tmp_path / "a.npz", id=TABLE, plain=np.arange(3))
    found = read_objects(tmp_path / "a.npz")
    same(found["id"])
    assert found["plain"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
def test_any_protocol_that_numpy_writes_is_read(tmp_path, protocol) -> None:
    payload = pickle.dumps(np.array(TABLE, object), protocol)
    same(read_objects(written(tmp_path / "a.npz", payload))["id"])


def test_files_of_older_numpy_are_read(tmp_path) -> None:
    payload = pickle.dumps(np.array(TABLE, object), 2)
    older = payload.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    assert older != payload
    same(read_objects(written(tmp_path / "a.npz", older))["id"])


class Command:
    def __init__(self, trace) -> None:
        self.trace = trace

    def __reduce__(self):
        return os.system, (f"touch {self.trace}",)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_command_is_refused_and_not_run(tmp_path, protocol) -> None:
    payload = pickle.dumps(np.array({"mean": Command(tmp_path / "ran")}, object), protocol)
    path = written(tmp_path / "a.npz", payload)
    with pytest.raises(InputError, match=r"a\.npz: .*names posix\.system") as caught:
        read_objects(path)
    assert "\n" not in str(caught.value) and not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["builtins.eval", "numpy.load", "numpy.core.multiarray.fromfile"])
def test_nothing_else_of_numpy_or_python_is_called(tmp_path, name) -> None:
    module, function = name.rsplit(".", 1)
    payload = f"c{module}\n{function}\n(S'1'\ntR.".encode()
    with pytest.raises(InputError, match="names"):
        read_objects(written(tmp_path / "a.npz", payload))


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04" + bytes(50)])
def test_other_files_are_refused(tmp_path, content) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.npz"):
        read_objects(tmp_path / "a.npz")


def test_a_truncated_pickle_is_refused(tmp_path) -> None:
    payload = pickle.dumps(np.array(TABLE, object), 4)
    with pytest.raises(InputError, match=r"a\.npz"):
        read_objects(written(tmp_path / "a.npz", payload[:-20]))


def test_more_arrays_than_anybody_has_are_refused(tmp_path) -> None:
    np.savez(tmp_path / "a.npz", *[np.zeros(1)] * 65)
    with pytest.raises(InputError, match="64 arrays"):
        read_objects(tmp_path / "a.npz")
