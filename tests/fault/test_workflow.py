"""What the workflow survives."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from gof.models import pretrained
from gof.run.files import sha256

pytestmark = pytest.mark.slow
SMOKE = str(Path("workflow/configs/smoke.yaml").resolve())
MODEL = "results-smoke/heads/model/head_model.npz"
FEATURES = "results-smoke/assets/features.json"


def call(*targets: str, more: tuple[str, ...] = ()) -> list[str]:
    words = ["--cores", "2", "-s", str(Path("Snakefile").resolve()), "--rerun-incomplete"]
    return [sys.executable, "-m", "snakemake", *targets, *words, *more, "--configfile", SMOKE]


def begin(place: Path, *targets: str, more: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path().resolve())}
    return subprocess.Popen(
        call(*targets, more=more),
        cwd=place,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def end(run: subprocess.Popen[str]) -> tuple[int, str]:
    _, said = run.communicate(timeout=600)
    return run.returncode, said


def wait(run: subprocess.Popen[str], ready: Callable[[], object]) -> None:
    until = time.monotonic() + 120
    while not ready() and time.monotonic() < until:
        assert run.poll() is None
        time.sleep(0.05)


def modelling(place: Path) -> Callable[[], object]:
    """Whether the job that makes the head model has begun."""
    return lambda: list((place / "results-smoke" / "logs").glob("**/*head*model*"))


def test_a_killed_run_goes_on_with_the_same_command(tmp_path) -> None:
    """Without --unlock: the name that it left is that of a dead process."""
    first = begin(tmp_path, MODEL)
    wait(first, modelling(tmp_path))
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert list((tmp_path / ".snakemake" / "locks").iterdir())
    status, said = end(begin(tmp_path, MODEL))
    assert status == 0, said[-2000:]
    assert "the run before was killed: its locks are gone" in said
    assert (tmp_path / MODEL).is_file()
    assert not list((tmp_path / ".snakemake" / "gof-runs").iterdir())


def job_of(run: subprocess.Popen[str], verb: str) -> psutil.Process:
    """The process of a run's job."""
    children = psutil.Process(run.pid).children(recursive=True)
    (found,) = [child for child in children if verb in child.cmdline()]
    return found


def test_a_second_run_of_the_same_target_is_turned_away_and_of_another_is_not(tmp_path) -> None:
    first = begin(tmp_path, MODEL)
    wait(first, modelling(tmp_path))
    working = job_of(first, "head-model")
    working.suspend()
    try:
        status, said = end(begin(tmp_path, MODEL))
        assert status != 0 and "lock" in said
        status, said = end(begin(tmp_path, FEATURES))
        assert status == 0, said[-2000:]
        # Snakemake's locks went with that run; what the first one makes is known all the same.
        assert not list((tmp_path / ".snakemake").glob("locks/*"))
        status, said = end(begin(tmp_path, MODEL))
        assert status != 0 and f": snakemake, process {first.pid}, makes it" in said
    finally:
        working.resume()
    status, said = end(first)
    assert status == 0, said[-2000:]
    assert (tmp_path / MODEL).is_file() and (tmp_path / FEATURES).is_file()


def test_a_training_that_a_killed_run_left_behind_is_let_be(tmp_path) -> None:
    stage = tmp_path / "results-smoke" / "heads" / "gof" / "seed0" / "stage0"
    target, held = "results-smoke/heads/gof/seed0/stage0/generator.yaml", stage / "checkpoints"
    first = begin(tmp_path, target)
    wait(first, lambda: (held / ".lock").is_file() and (held / ".lock").read_text())
    orphan = job_of(first, "train")
    orphan.suspend()
    try:
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        status, said = end(begin(tmp_path, target))
        assert status != 0 and f"in use by process {orphan.pid} on" in said, said[-2000:]
    finally:
        orphan.resume()
    orphan.wait(timeout=120)
    status, said = end(begin(tmp_path, target))
    assert status == 0, said[-2000:]
    assert pretrained.load(stage / "generator.yaml").info["step"] == 12


def test_copied_results_count_as_made_once_they_are_touched(tmp_path) -> None:
    made, copied = tmp_path / "made", tmp_path / "copied"
    for place in (made, copied):
        place.mkdir()
    assert end(begin(made, MODEL))[0] == 0
    shutil.copytree(made / "results-smoke", copied / "results-smoke", copy_function=shutil.copy)
    before = sha256(copied / MODEL)
    assert end(begin(copied, MODEL, more=("--touch",)))[0] == 0
    status, said = end(begin(copied, MODEL))
    assert status == 0 and "Nothing to be done" in said
    assert sha256(copied / MODEL) == before
