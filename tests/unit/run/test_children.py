"""What is left of a process that was killed."""

import os
import signal
import subprocess
import sys
import time

import psutil

from gof.run.children import pool

PARENT = """
import os, time
from gof.run.children import pool

if __name__ == "__main__":
    with pool(2) as workers:
        waiting = [workers.submit(time.sleep, 60) for _ in range(2)]
        print(*workers._processes, flush=True)
        time.sleep(60)
"""


def test_they_work_for_their_parent() -> None:
    with pool(2) as workers:
        assert list(workers.map(abs, (-1, 2, -3))) == [1, 2, 3]
        assert os.getpid() not in workers.map(_process, range(2))


def _process(_: int) -> int:
    return os.getpid()


def test_none_outlives_its_parent(tmp_path) -> None:
    (tmp_path / "parent.py").write_text(PARENT)
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    call = [sys.executable, str(tmp_path / "parent.py")]
    with subprocess.Popen(call, env=environment, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        workers = [psutil.Process(int(word)) for word in parent.stdout.readline().split()]
        assert len(workers) == 2
        deadline = time.monotonic() + 60
        while any(w.num_threads() < 2 for w in workers) and time.monotonic() < deadline:
            time.sleep(0.05)  # until they watch
        parent.send_signal(signal.SIGKILL)
    assert not psutil.wait_procs(workers, timeout=10)[1]
