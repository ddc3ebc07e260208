"""What the workflow survives."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

MODEL = "results-smoke/heads/model/head_model.npz"
CALL = [sys.executable, "-m", "snakemake", "--cores", "2", "-s", str(Path("Snakefile").resolve())]


@pytest.mark.slow
def test_a_killed_run_goes_on_with_the_same_command(tmp_path) -> None:
    """Without --unlock: the name that it left is that of a dead process."""
    call = [*CALL, MODEL, "--configfile", str(Path("workflow/configs/smoke.yaml").resolve())]
    environment = {**os.environ, "PYTHONPATH": str(Path().resolve())}
    first = subprocess.Popen(
        call, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL, start_new_session=True
    )
    log = tmp_path / "results-smoke" / "logs"
    until = time.monotonic() + 120
    while not list(log.glob("**/*head*model*")) and time.monotonic() < until:
        assert first.poll() is None
        time.sleep(0.05)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert list((tmp_path / ".snakemake" / "locks").iterdir())
    again = subprocess.run(
        [*call, "--rerun-incomplete"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert again.returncode == 0, again.stderr[-2000:]
    assert "the run before was killed: its locks are gone" in again.stderr
    assert (tmp_path / MODEL).is_file()
    assert not list((tmp_path / ".snakemake" / "gof-runs").iterdir())
