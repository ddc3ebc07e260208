import json
import os

import pytest

from gof.experiment.config import Config
from gof.run.files import InputError, sha256
from gof.run.job import job
from gof.run.outputs import MARK


def read_events(record):
    spool = record.with_name(record.stem + ".events.jsonl")
    return [json.loads(line) for line in spool.read_text().splitlines()]


@pytest.fixture
def record(tmp_path):
    return tmp_path / "results" / "heads" / "gof" / "seed3" / "stage1" / "stage.json"


CONFIG = Config.parse({"samples": {"latents": 3}, "runtime": {"log_every": 9}})


def test_record_holds_numbers_inputs_settings_and_cost(record, tmp_path):
    source = tmp_path / "in.txt"
    source.write_text("x")
    with job(record, "train", CONFIG, {"data": source}) as running:
        running.numbers = {"step": 4}
    value = json.loads(record.read_text())
    assert value["kind"] == "train"
    assert value["numbers"] == {"step": 4}
    assert value["inputs"] == {"data": sha256(source)}
    assert value["settings"]["samples"]["latents"] == 3
    assert "runtime" not in value["settings"]
    assert value["wall_s"] >= 0
    assert value["peak_mib"] > 0
    assert "gof" in value["versions"]


def test_events_tell_the_story_of_the_job(record, tmp_path):
    picture = record.with_name("p.png")
    with job(record, "train", CONFIG, {}) as running:
        running.metrics({"loss": 2}, 10)
        running.artifact(picture)
        running.numbers = {"step": 4, "rows": [{"model": "gof", "metric": "fid", "value": 3.5}]}
    start, step, cost, rows, *artifacts, end = read_events(record)
    assert (start["event"], start["training"], start["up"]) == ("start", "heads/gof/seed3", "..")
    assert (start["name"], start["kind"]) == ("heads/gof/seed3/stage1", "train")
    assert start["labels"] == {"dataset": "heads", "model": "gof", "seed": "3"}
    assert start["labels"].items() <= start["tags"].items()
    assert start["params"] == {"samples.latents": "3"}
    assert (step["values"], step["step"], step["shared"]) == ({"train/loss": 2.0}, 10, True)
    assert set(cost["values"]) == {"wall_s", "peak_mib", "final/step"}
    assert not cost["shared"]
    assert (rows["values"], rows["shared"]) == ({"fid": 3.5}, True)
    assert [(a["path"], a["shared"]) for a in artifacts] == [("stage.json", False), ("p.png", True)]
    assert end["status"] == "FINISHED"


def test_a_job_outside_of_any_results_has_a_short_name_and_shares_nothing(tmp_path):
    record = tmp_path / "smile.json"
    with job(record, "edit", CONFIG, {}) as running:
        running.metrics({"loss": 2}, 10)
        running.artifact(tmp_path / "smile.png")
    start, *others = read_events(record)
    assert (start["name"], start["training"], start["labels"]) == ("edit smile", "", {})
    assert not any(event.get("shared") for event in others)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError("x"), "FAILED"),
        (SystemExit(1), "FAILED"),
        (SystemExit(75), "KILLED"),
        (SystemExit(143), "KILLED"),
        (KeyboardInterrupt(), "KILLED"),
    ],
)
def test_a_job_that_does_not_finish_leaves_its_status_and_no_record(record, error, status):
    with pytest.raises(type(error)), job(record, "train", CONFIG, {}):
        raise error
    assert not record.exists()
    assert read_events(record)[-1]["status"] == status


def test_same_settings_and_inputs_give_the_same_fingerprint(record):
    for config in (
        CONFIG,
        CONFIG.with_runtime(Config()),
        Config.parse({"samples": {"latents": 4}}),
    ):
        with job(record, "train", config, {}):
            pass
    with job(record, "train", CONFIG, {}, decided_by={"code": "other"}):
        pass
    prints = [e["fingerprint"] for e in read_events(record) if e["event"] == "start"]
    assert prints[0] == prints[1]
    assert len(set(prints)) == 3


def test_missing_input_is_named_before_any_work(record, tmp_path):
    with (
        pytest.raises(InputError, match=r"none\.txt"),
        job(record, "train", CONFIG, {"data": tmp_path / "none.txt"}),
    ):
        pytest.fail("must not start")


def test_without_tracking_no_events_are_written(record):
    with job(record, "train", Config.parse({"tracking": {"enabled": False}}), {}):
        pass
    assert sorted((p.name for p in record.parent.iterdir()), reverse=True) == ["stage.json", MARK]


def test_only_the_first_of_several_processes_writes(record, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    with job(record, "train", CONFIG, {}):
        pass
    assert not record.parent.exists()


def test_a_disk_that_takes_no_events_does_not_stop_the_job(record, monkeypatch, capfd):
    def full(path, value):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gof.run.spool.append_json", full)
    with job(record, "train", CONFIG, {}) as running:
        for step in range(5):
            running.metrics({"loss": 1.0}, step)
    assert record.exists()
    assert capfd.readouterr().err.count("No space left") == 1


def test_a_cut_line_does_not_swallow_the_next_event(record):
    with job(record, "train", CONFIG, {}):
        pass
    spool = record.with_name("stage.events.jsonl")
    size = spool.stat().st_size
    os.truncate(spool, size - 5)
    with job(record, "train", CONFIG, {}):
        pass
    lines = spool.read_text().splitlines()
    assert [json.loads(line)["event"] for line in lines[-4:]] == [
        "start",
        "final",
        "artifact",
        "end",
    ]
