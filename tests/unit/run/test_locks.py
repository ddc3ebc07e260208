"""Whose locks go."""

import multiprocessing
import socket

import psutil
import pytest

from gof.run import locks
from gof.run.files import InputError


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
    process = multiprocessing.get_context("fork").Process(
        target=locks.begin, args=(folder, ["results/x"])
    )
    process.start()
    process.join()


def test_those_of_a_killed_run_go(folder) -> None:
    killed(folder)
    assert locks.release(folder) and held(folder) == 0
    assert not list((folder / locks.RUNS).iterdir())
    assert not locks.release(folder)


def test_those_of_a_run_that_lives_stay(folder) -> None:
    killed(folder)
    locks.begin(folder, ["results/x"])
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


def test_what_a_run_that_lives_makes_no_other_makes(folder) -> None:
    """Snakemake's own locks are gone by then: those of all runs go with the first that ends."""
    context = multiprocessing.get_context("fork")
    begun, over = context.Event(), context.Event()

    def run() -> None:
        locks.begin(folder, ["results/x", "results/y"])
        begun.set()
        over.wait(30)

    process = context.Process(target=run)
    process.start()
    try:
        assert begun.wait(30)
        locks.begin(folder, ["results/z"])
        with pytest.raises(InputError, match=rf"^results/x: snakemake, process {process.pid}, "):
            locks.begin(folder, ["results/x", "results/z"])
    finally:
        over.set()
        process.join()
    locks.begin(folder, ["results/x"])
