import io
import multiprocessing
import os
import resource
import signal
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from gof.run import files
from gof.run.files import (
    LEFT_S,
    InputError,
    atomic_write,
    exclusive,
    read_json,
    read_npz,
    sha256,
    sweep,
    write_json,
    write_npz,
)


def test_round_trips(tmp_path: Path) -> None:
    write_json(tmp_path / "deep" / "a.json", {"b": [1, 2.5]})
    assert read_json(tmp_path / "deep" / "a.json") == {"b": [1, 2.5]}
    write_npz(tmp_path / "a.npz", {"x": np.arange(3)})
    np.testing.assert_array_equal(read_npz(tmp_path / "a.npz")["x"], np.arange(3))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.npz", "deep"]


def test_npz_bytes_depend_on_the_arrays_alone(tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        write_npz(tmp_path / name, {"x": np.arange(5.0)})
    assert sha256(tmp_path / "a.npz") == sha256(tmp_path / "b.npz")


def _limited_write(path: Path) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    try:
        atomic_write(path, b"x" * 5000)
    except InputError as error:
        os._exit(7 if "no room for 5,000 bytes" in str(error) else 8)
    os._exit(9)


def test_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    atomic_write(path, b"old")
    process = multiprocessing.get_context("fork").Process(target=_limited_write, args=(path,))
    process.start()
    process.join()
    assert process.exitcode == 7
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"]


def test_an_npz_that_unpacks_to_too_much_is_refused_by_its_directory(tmp_path, monkeypatch) -> None:
    bomb = tmp_path / "bomb.npz"
    content = io.BytesIO()
    np.savez_compressed(content, x=np.zeros(10**6))
    with zipfile.ZipFile(content, "a") as archive:
        archive.comment = f"seal: {files.OPEN}".encode()
    bomb.write_bytes(files.sealed(content.getvalue()))
    assert bomb.stat().st_size < 10**4
    monkeypatch.setattr(files, "NPZ_BYTES", 10**6)
    with pytest.raises(InputError, match=r"bomb\.npz: unpacks to more than"):
        read_npz(bomb)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"\x80\x04K\x01."])
def test_damaged_npz_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.npz: changed since"):
        read_npz(tmp_path / "a.npz")


def test_pickled_arrays_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(InputError, match=r"a\.npz"):
        read_npz(tmp_path / "a.npz")


@pytest.mark.parametrize("reader", [read_json, read_npz, sha256])
def test_missing_files_are_named(tmp_path: Path, reader) -> None:
    with pytest.raises(InputError, match=r"nothing\.here: no such file"):
        reader(tmp_path / "nothing.here")


def _try_lock(folder: Path) -> None:
    try:
        with exclusive(folder):
            os._exit(0)
    except InputError as error:
        os._exit(5 if "in use by process" in str(error) else 6)


def test_a_folder_is_held_by_one_process(tmp_path: Path) -> None:
    def attempt() -> int | None:
        process = multiprocessing.get_context("fork").Process(target=_try_lock, args=(tmp_path,))
        process.start()
        process.join()
        return process.exitcode

    with exclusive(tmp_path):
        assert attempt() == 5
    assert attempt() == 0


def test_every_single_flipped_bit_of_json_is_found(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    write_json(path, {"numbers": [1.5, 2], "name": "gof"})
    content = path.read_bytes()
    for bit in range(8 * len(content)):
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        with pytest.raises(InputError, match=r"record\.json: "):
            read_json(path)
    path.write_bytes(content)
    assert read_json(path) == {"numbers": [1.5, 2], "name": "gof"}


@pytest.mark.parametrize("content", ["[1]", "3", "{}", '{"seal": 1}', "{" * 100_000, "\xff"])
def test_json_of_another_writer_is_refused(tmp_path: Path, content) -> None:
    path = tmp_path / "record.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError, match=r"record\.json: ") as caught:
        read_json(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("reader", [read_json, read_npz, sha256])
def test_what_is_no_file_is_named_and_does_not_hang(tmp_path: Path, reader) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(InputError, match=f"{path}: no regular file"):
            reader(path)


def test_leftovers_of_the_dead_are_swept_and_no_others(tmp_path: Path) -> None:
    process = multiprocessing.get_context("fork").Process(target=os.getpid)
    process.start()
    process.join()
    dead, alive = process.pid, os.getpid()
    old = time.time() - 2 * LEFT_S
    names = {f".a.json.{dead}.tmp": old, f".b.json.{dead}.tmp": None, f".c.{alive}.tmp": old}
    names |= {".mine.tmp": old, "a.json": old}
    for name, when in names.items():
        (tmp_path / name).write_text("half")
        if when:
            os.utime(tmp_path / name, (when, when))
    sweep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == names.keys() - {f".a.json.{dead}.tmp"}
