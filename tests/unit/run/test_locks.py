"""Whose locks go."""

import multiprocessing
import socket

import psutil
import pytest

from gof.run import locks


@pytest.fixture
def folder(tmp_path):
    (tmp_path / locks.LOCKS).mkdir()
    for name in ("0.input.lock", "0.output.lock"):
        (tmp_path / locks.LOCKS / name).write_text("results/x\n")
    return tmp_path


def held(folder):
    return len(list((folder / locks.LOCKS).iterdir()))


def killed(folder) -> None:
    """Leave the name of a run that was killed."""
    process = multiprocessing.get_context("fork").Process(target=locks.begin, args=(folder,))
    process.start()
    process.join()


def test_those_of_a_killed_run_go(folder) -> None:
    killed(folder)
    assert locks.release(folder) and held(folder) == 0
    assert not list((folder / locks.RUNS).iterdir())
    assert not locks.release(folder)


def test_those_of_a_run_that_lives_stay(folder) -> None:
    killed(folder)
    locks.begin(folder)
    assert not locks.release(folder) and held(folder) == 2
    locks.end(folder)
    assert locks.release(folder)


def test_those_of_nobody_known_stay(folder) -> None:
    assert not locks.release(folder) and held(folder) == 2


def test_those_of_another_machine_stay(folder) -> None:
    (folder / locks.RUNS).mkdir()
    (folder / locks.RUNS / "other-machine 17 1700000000").touch()
    assert not locks.release(folder) and held(folder) == 2


def test_a_number_that_another_process_got_since_is_no_life(folder) -> None:
    (folder / locks.RUNS).mkdir()
    (folder / locks.RUNS / f"{socket.gethostname()} {psutil.Process().pid} 12345").touch()
    assert locks.release(folder)
