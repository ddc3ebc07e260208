"""The whole line, killed again and again: minutes long, in no CI (pytest -m slow tests/fault)."""

import os
import random
import signal
import subprocess
from pathlib import Path

import pytest

from gof.run.files import sha256
from tests.fault.test_workflow import begin, end

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]
KILLS = 10
QUIET = ("--config", "tracking={enabled: false}")
# What holds no time, place or process: tables but that of costs, weights, pictures, shards.
KEPT = ("*.safetensors", "*.npz", "*.png", "*.ply", "*.glb", "*.tex", "metrics.csv")


def made(place: Path) -> dict[str, str]:
    results = place / "results-smoke"
    files = [path for kind in KEPT for path in results.rglob(kind)]
    return {
        str(path.relative_to(results)): sha256(path)
        for path in files
        if "checkpoints" not in path.parts and path.name != "cost.tex"
    }


def test_kills_anywhere_end_in_the_same_bytes(tmp_path) -> None:
    """Of Snakemake with all that it started, at moments that no job chooses."""
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    for place in (unbroken, broken):
        place.mkdir()
    status, said = end(begin(unbroken, more=QUIET))
    assert status == 0, said[-2000:]
    draw, done = random.Random(0), 0
    for _ in range(KILLS):
        run = begin(broken, more=QUIET)
        try:
            run.communicate(timeout=draw.uniform(10, 30))
        except subprocess.TimeoutExpired:
            os.killpg(run.pid, signal.SIGKILL)
            run.communicate()
            done += 1
    assert done == KILLS  # else it was over before
    status, said = end(begin(broken, more=QUIET))
    assert status == 0, said[-2000:]
    assert made(broken) == made(unbroken)
