import json
import os
import subprocess
import sys
import time

from gof.run.spool import Follower, Spool, dismiss, follower, spools


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_events_are_lines_with_their_time(tmp_path):
    spool = Spool.beside(tmp_path / "stage.json")
    before = time.time_ns() // 10**6
    spool.add("metrics", {"step": 3, "values": {"loss": 0.5}})
    (event,) = lines(tmp_path / "stage.events.jsonl")
    assert (event["event"], event["step"], event["values"]) == ("metrics", 3, {"loss": 0.5})
    assert before <= event["time"] <= time.time_ns() // 10**6


def test_without_a_path_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Spool(None).add("end", {"status": "FINISHED"})
    assert list(tmp_path.iterdir()) == []


def test_spools_are_found_in_folders_once_and_oldest_first(tmp_path):
    paths = [tmp_path / "b" / "x.events.jsonl", tmp_path / "a" / "y.events.jsonl"]
    for age, path in enumerate(paths):
        path.parent.mkdir()
        path.write_text("{}\n")
        os.utime(path, (age, age))
    (tmp_path / "a" / "other.jsonl").write_text("{}\n")
    missing = tmp_path / "none.events.jsonl"
    assert spools([tmp_path, paths[1], missing]) == paths


def test_a_follower_that_cannot_start_is_a_warning(tmp_path, capfd):
    results = tmp_path / "results"
    results.write_text("a file where a folder should be")
    started = follower([results], results, "{}")
    assert started is None
    dismiss(started, 1.0)
    assert capfd.readouterr().err.count("run `gof sync` later") == 1


def test_a_follower_that_takes_long_is_left_alone(capfd):
    code = "import sys, time; sys.stdin.read(); time.sleep(3)"
    slow = Follower([sys.executable, "-c", code], stdin=subprocess.PIPE)
    start = time.monotonic()
    dismiss(slow, 0.2)
    assert time.monotonic() - start < 2
    assert "still copying" in capfd.readouterr().err
    assert slow.wait(30) == 0
