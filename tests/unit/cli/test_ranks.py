"""How calls in several processes end. Each runs `gof`, with a verb that this file adds."""

import os
import signal
import subprocess
import sys
import time

import pytest

START = """
import os, sys, pathlib
from gof.cli.ranks import run_ranks
here = pathlib.Path(sys.argv[1])
if "RANK" not in os.environ:
    run_ranks(2)
"""


def started(tmp_path, body: str) -> subprocess.Popen[str]:
    """A package called gof, which is the real one but for its main: each process runs `body`."""
    place = tmp_path / "sitecustomize.py"
    place.write_text(
        "import os, sys\n"
        "if 'RANK' in os.environ and sys.argv[:1] != ['-c']:\n"
        f"    exec(compile({body!r}, 'body', 'exec'), {{'here': {str(tmp_path)!r}}})\n"
        "    os._exit(0)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    environment.pop("RANK", None)
    call = [sys.executable, "-c", START, str(tmp_path)]
    return subprocess.Popen(call, env=environment, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize(
    ("codes", "status"), [((0, 0), 0), ((3, 3), 3), ((0, 5), 5), ((75, 75), 75)]
)
def test_the_status_is_that_of_the_processes(tmp_path, codes, status) -> None:
    process = started(tmp_path, f"import os; os._exit({codes}[int(os.environ['RANK'])])")
    _, said = process.communicate(timeout=60)
    assert process.returncode == status and not said.strip()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_signals_reach_all_and_end_with_their_status(tmp_path, number) -> None:
    body = f"""
import os, signal, time
rank = os.environ["RANK"]
def stop(number, _):
    open(os.path.join(here, "stopped" + rank), "w").write(str(number))
    os._exit(128 + number)
signal.signal({int(number)}, stop)
open(os.path.join(here, "ready" + rank), "w").close()
time.sleep(60)
"""
    process = started(tmp_path, body)
    until = time.monotonic() + 60
    while len(list(tmp_path.glob("ready*"))) < 2 and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + number and not said.strip()
    stopped = sorted(tmp_path.glob("stopped*"))
    assert [path.read_text() for path in stopped] == [str(int(number))] * 2


def test_all_begin_again_where_one_is_killed(tmp_path) -> None:
    body = """
import os, signal, time
mark = os.path.join(here, "once")
if os.environ["RANK"] == "1" and not os.path.exists(mark):
    open(mark, "w").close()
    os.kill(os.getpid(), signal.SIGKILL)
time.sleep(0.5 if os.path.exists(mark) else 60)
open(os.path.join(here, "done" + os.environ["RANK"]), "w").close()
"""
    process = started(tmp_path, body)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0 and said.count("\n") == 1 and "start again (1 of 3)" in said
    assert len(list(tmp_path.glob("done*"))) == 2


def test_what_is_killed_again_and_again_ends(tmp_path) -> None:
    process = started(tmp_path, "import os; os.kill(os.getpid(), 9)")
    _, said = process.communicate(timeout=120)
    assert process.returncode == 137 and said.count("start again") == 3
