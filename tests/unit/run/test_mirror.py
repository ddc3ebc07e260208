import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time

import pytest

from gof.experiment.config import Config
from gof.run import store
from gof.run.files import MachineError
from gof.run.job import FOLLOWED, job
from gof.run.mirror import sync
from gof.run.settings import Tracking
from gof.run.spool import dismiss, follower
from tests.unit.run.toy_tracking import (
    curve,
    empty_database,
    fresh,
    jobs,
    log,
    results,
    stage,
    tracked,
    trainings,
)

__all__ = ["empty_database", "fresh", "results"]


def test_a_job_becomes_a_run_below_its_training(results):
    log(stage(results, 0), range(5))
    log(stage(results, 1), range(5, 8))
    assert sync([results], Tracking(), results) == 2
    client, runs = tracked(results)
    (training,) = trainings(runs)
    assert training.info.run_name == "heads/gof/seed0"
    assert training.info.status == "FINISHED"
    assert curve(client, training) == [(step, float(step)) for step in range(8)]
    assert {r.info.run_name for r in jobs(runs)} == {f"heads/gof/seed0/stage{n}" for n in (0, 1)}
    for run in jobs(runs):
        assert run.data.tags["mlflow.parentRunId"] == training.info.run_id
        assert run.info.status == "FINISHED"
        assert {"wall_s", "peak_mib"} == set(run.data.metrics)
        assert [a.path for a in client.list_artifacts(run.info.run_id)] == ["stage.json"]
    assert sync([results], Tracking(), results) == 0
    assert len(tracked(results)[1]) == 3


def test_a_resumed_job_goes_on_in_the_same_run_without_doubled_steps(results):
    with pytest.raises(SystemExit):
        log(stage(results), range(7), stop=143)
    sync([results], Tracking(), results)
    assert {run.info.status for run in tracked(results)[1]} == {"KILLED"}
    log(stage(results), range(4, 10))
    sync([results], Tracking(), results)
    client, runs = tracked(results)
    assert [run.info.status for run in runs] == ["FINISHED"] * 2
    (training,) = trainings(runs)
    assert curve(client, training) == [(step, float(step)) for step in range(10)]


def test_other_settings_and_repeated_jobs_are_other_runs(results):
    log(stage(results), range(3))
    log(stage(results), range(3))
    with job(stage(results), "train", Config.parse({"samples": {"latents": 4}}), {}):
        pass
    sync([results], Tracking(), results)
    assert len(jobs(tracked(results)[1])) == 3


def test_a_killed_process_is_marked_and_its_run_goes_on(results):
    code = (
        "import os, sys; from pathlib import Path\n"
        "from gof.experiment.config import Config; from gof.run.job import job\n"
        "config = Config.parse({'samples': {'latents': 3}})\n"
        "with job(Path(sys.argv[1]), 'train', config, {}) as running:\n"
        "    running.metrics({'loss': 0.0}, 0)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(stage(results))])
    assert done.returncode == -9
    sync([results], Tracking(), results)
    runs = tracked(results)[1]
    assert [run.info.status for run in runs] == ["KILLED"] * 2
    log(stage(results), range(3))
    sync([results], Tracking(), results)
    again = tracked(results)[1]
    assert {run.info.run_id for run in again} == {run.info.run_id for run in runs}
    assert [run.info.status for run in again] == ["FINISHED"] * 2


def test_a_pass_that_is_cut_is_repeated_without_doubles(results, monkeypatch):
    from mlflow.tracking import MlflowClient

    log(stage(results), range(5))
    real = MlflowClient.log_batch

    def cut(self, run_id, metrics=(), **rest):
        if metrics:
            raise ConnectionError("cut")
        return real(self, run_id, metrics=metrics, **rest)

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_batch", cut)
        with pytest.raises(MachineError, match="gof sync"):
            sync([results], Tracking(), results)
    sync([results], Tracking(), results)
    client, runs = tracked(results)
    (training,) = trainings(runs)
    assert len(curve(client, training)) == 5


def test_lost_database_is_filled_again(results):
    log(stage(results), range(3))
    where = json.dumps({"pathvars": {"results": str(results)}})
    # In a process of its own, for MLflow holds on to a database that it has opened.
    subprocess.run([sys.executable, "-m", "gof", "sync", "--config", where], check=True)
    shutil.rmtree(results / "mlflow")
    assert sync([results], Tracking(), results) == 1
    assert len(jobs(tracked(results)[1])) == 1


def test_six_processes_meet_a_fresh_database(fresh):
    results = fresh
    for number in range(6):
        log(stage(results, number), range(20 * number, 20 * number + 20))
    call = [sys.executable, "-m", "gof.cli.main", "sync", "--config"]
    call.append(json.dumps({"pathvars": {"results": str(results)}}))
    started = [
        subprocess.Popen([*call, "--", str(stage(results, n).parent)], stderr=subprocess.PIPE)
        for n in range(6)
    ]
    errors = [process.communicate()[1].decode() for process in started]
    assert [process.returncode for process in started] == [0] * 6, errors
    client, runs = tracked(results)
    assert len(jobs(runs)) == 6
    (training,) = trainings(runs)
    assert [step for step, _ in curve(client, training)] == list(range(120))


def test_a_server_that_is_down_is_one_line(results, monkeypatch):
    log(stage(results), range(3))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(MachineError) as caught:
        sync([results], Tracking(), results)
    assert "\n" not in str(caught.value)
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert sync([results], Tracking(), results) == 1


def test_follower_mirrors_while_the_job_lives_and_leaves_on_request(results):
    runtime = json.dumps({"pathvars": {"results": str(results)}})
    process = follower([results], results, runtime)
    log(stage(results), range(5))
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if (results / "mlflow" / "state").exists():
            break
        time.sleep(0.2)
    assert process.poll() is None
    log(stage(results, 1), range(5))
    dismiss(process, 60)
    assert process.returncode == 0
    assert len(jobs(tracked(results)[1])) == 2


def test_follower_ends_when_its_caller_is_killed(results):
    code = (
        "import os, sys, time; from pathlib import Path; from gof.run.spool import follower\n"
        "print(follower([Path(sys.argv[1])], Path(sys.argv[1]), sys.argv[2]).pid, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    runtime = json.dumps({"pathvars": {"results": str(results)}})
    done = subprocess.run(
        [sys.executable, "-c", code, str(results), runtime], capture_output=True, text=True
    )
    pid, deadline = int(done.stdout), time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.2)
    pytest.fail("the follower outlived its caller")


def test_a_dead_tracker_costs_the_end_of_a_run_little(results, monkeypatch, capfd):
    log(stage(results), range(3))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    process = follower([results], results, json.dumps({"pathvars": {"results": str(results)}}))
    time.sleep(8)  # as long as a short job; the follower has found out by then
    start = time.monotonic()
    dismiss(process, 10)
    assert time.monotonic() - start < 3
    assert capfd.readouterr().err.count("gof: tracking") == 1


def test_a_server_that_never_answers_costs_no_more_than_the_time_it_is_given(results, monkeypatch):
    log(stage(results), range(3))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{silent.getsockname()[1]}")
        process = follower([results], results, json.dumps({"pathvars": {"results": str(results)}}))
        time.sleep(4)  # it hangs in its first call by then
        start = time.monotonic()
        dismiss(process, 2)
        assert time.monotonic() - start < 4
        process.kill()
        process.wait()


def test_a_server_that_drips_is_given_up(results, monkeypatch):
    def drip(server: socket.socket) -> None:
        other, _ = server.accept()
        with other, contextlib.suppress(OSError):
            other.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            for _ in range(1000):
                other.sendall(b" ")
                time.sleep(0.05)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=drip, args=(server,), daemon=True).start()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.getsockname()[1]}")
        monkeypatch.setattr(store, "CALL_S", 1.0)
        start = time.monotonic()
        with pytest.raises(MachineError, match="no whole answer in 1 s: nothing is lost"):
            sync([results], Tracking(), results)
        assert time.monotonic() - start < 15


def test_a_long_job_by_hand_has_itself_mirrored(results, monkeypatch):
    monkeypatch.delenv(FOLLOWED)
    monkeypatch.setattr("gof.run.job.LIVE_AFTER_S", 0.1)
    config = Config.parse({"pathvars": {"results": str(results)}, "tracking": {"wait_s": 60}})
    with job(stage(results), "train", config, {}) as running:
        time.sleep(0.5)
        running.metrics({"loss": 1.0}, 1)
    (run,) = jobs(tracked(results)[1])
    assert run.info.status == "FINISHED"


def test_a_short_job_by_hand_starts_no_other_process(results, monkeypatch):
    def never(*_):
        pytest.fail("a follower was started")

    monkeypatch.delenv(FOLLOWED)
    monkeypatch.setattr("gof.run.job.follower", never)
    log(stage(results), range(3))
    assert stage(results).exists()
