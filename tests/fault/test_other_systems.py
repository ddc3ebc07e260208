"""Without what Linux alone has, taken away from every process of a run, children included."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fault.test_kill import command, finish, hashes

# By the availability notes of Python's library: not on macOS.
HIDE = """
import builtins, ctypes, io, os, select, signal, sys, time

for module, names in {
    os: "sched_getaffinity sched_setaffinity sched_getscheduler sched_setscheduler posix_fadvise"
    " posix_fallocate copy_file_range memfd_create eventfd pidfd_open splice getrandom fdatasync"
    " pipe2 setns unshare getresuid setresuid getxattr setxattr listxattr O_TMPFILE O_DIRECT O_PATH"
    " O_NOATIME",
    select: "epoll",
    signal: "sigwaitinfo sigtimedwait pidfd_send_signal SIGRTMIN SIGRTMAX SIGPWR",
    time: "CLOCK_BOOTTIME",
}.items():
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)


def ours():
    frame = sys._getframe(2)
    for _ in range(5):
        if frame is None:
            return False
        if f"{os.sep}gof{os.sep}" in frame.f_code.co_filename:
            return True
        frame = frame.f_back
    return False


def guarded(call):
    def checked(path, *given, **named):
        named_so = isinstance(path, str | os.PathLike)
        if named_so and os.fspath(path).startswith(("/proc", "/sys")) and ours():
            raise FileNotFoundError(2, "No such file or directory", os.fspath(path))
        return call(path, *given, **named)

    return checked


io.open = builtins.open = guarded(open)
os.stat, os.listdir, os.readlink = guarded(os.stat), guarded(os.listdir), guarded(os.readlink)


class NoLibrary(ctypes.CDLL):
    def __getattr__(self, name):
        if name in ("malloc_trim", "prctl", "renameat2") and ours():
            raise AttributeError(name)
        return super().__getattr__(name)


ctypes.CDLL = NoLibrary
"""


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that are started from here on find no call of Linux alone."""
    (tmp_path / "hide").mkdir()
    (tmp_path / "hide" / "sitecustomize.py").write_text(HIDE)
    paths = [str(tmp_path / "hide"), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))


def gof(*words: str | Path, status: int = 0) -> str:
    call = [sys.executable, "-m", "gof", *map(str, words)]
    done = subprocess.run(call, capture_output=True, text=True)
    assert done.returncode == status, done.stderr
    return done.stderr


def test_calls_are_hidden(elsewhere) -> None:
    look = "import os, select; print(hasattr(os, 'sched_getaffinity'), hasattr(select, 'epoll'))"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True)
    assert done.stdout.split() == ["False", "False"]


def test_a_training_is_the_same(tmp_path, tiny_config, tiny_data, request) -> None:
    finish(command(tiny_config, tiny_data, tmp_path / "here"))
    request.getfixturevalue("elsewhere")
    finish(command(tiny_config, tiny_data, tmp_path / "there"))
    assert hashes(tmp_path / "there") == hashes(tmp_path / "here")
    finish(command(tiny_config, tiny_data, tmp_path / "two", "--processes", "2"))


def test_verbs_draw_and_what_cannot_be_measured_is_said(tmp_path, elsewhere) -> None:
    small = '{"samples": {"resolution": 16, "latents": 2}, "meshes": {"resolution": 32}}'
    given = ("--generator", "heads-gof", "--config", small)
    gof("samples", *given, "--out", tmp_path / "sheet.png")
    gof("mesh", *given, "--out", tmp_path / "head.ply")
    few = ("--seeds", "0", "--resolution", "16")
    gof("render", "--generator", "heads-gof", *few, "--out", tmp_path / "heads")
    assert (tmp_path / "sheet.png").is_file() and (tmp_path / "head.ply").is_file()
    rows = ("--rows", "field-training-memory")
    told = gof("bench", *rows, "--out", tmp_path / "bench.json", status=3)
    assert "this system does not tell the peak memory of a process" in told
