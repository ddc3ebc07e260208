"""What a reader of MLflow finds: a run for each training, that lines up with those of other
models."""

import os
import shutil
import subprocess
import sys

import pytest

from gof.experiment.config import Config
from gof.experiment.scopes import of_stage
from gof.run.files import MachineError, atomic_write
from gof.run.job import job
from gof.run.mirror import sync
from gof.run.settings import Tracking
from gof.run.store import Store
from tests.unit.run.toy_tracking import (
    curve,
    empty_database,
    fresh,
    jobs,
    results,
    tracked,
    trainings,
)

__all__ = ["empty_database", "fresh", "results"]
STEPS = 3  # of a stage
INTEGRATORS = {"gof": "occupancy", "pigan": "density"}


def settings(model, stages, lr=1e-4):
    surface = 0 if INTEGRATORS[model] == "density" else 2
    all_of_it = {
        "integrator": INTEGRATORS[model],
        "sampling": {"surface": surface},
        "stages": [{"resolution": 8, "steps": STEPS, "lr_generator": lr}] * stages,
    }
    config = Config.parse({"models": {model: all_of_it}})
    return config.scoped(of_stage(config, model, stages - 1))


def train(results, model, number, config=None, offset=0.0):
    """A stage whose loss is its step and something."""
    record = results / "heads" / model / "seed0" / f"stage{number}" / "stage.json"
    with job(record, "train", config or settings(model, number + 1), {}) as running:
        for step in range(number * STEPS + 1, (number + 1) * STEPS + 1):
            running.metrics({"loss": step + offset, "sigma": 9.0}, step)
        atomic_write(record.with_name("generator.yaml"), "latent: 3\n")
        running.artifact(record.with_name("generator.yaml"))


def evaluate(results, model, value):
    record = results / "heads" / model / "seed0" / "metrics" / "surface.json"
    row = {"metric": "sigma", "spread": 0.1, "n": 4, "protocol": "p"}
    with job(record, "evaluate", Config.parse({"metrics": {"seeds": [0]}}), {}) as running:
        running.numbers = {
            "rows": [
                {**row, "model": model, "value": value},
                {**row, "model": f"{model}_truncated", "value": value / 2},
            ]
        }


def samples(results, model):
    record = results / "heads" / model / "seed0" / "samples" / "samples.json"
    with job(record, "samples", Config.parse({"samples": {"latents": 3}}), {}) as running:
        atomic_write(record.with_name("sheet.png"), b"png")
        running.artifact(record.with_name("sheet.png"))


def whole(results, model, value=2.0):
    train(results, model, 0)
    train(results, model, 1)
    evaluate(results, model, value)
    samples(results, model)


def files(client, run, folder=None):
    found = client.list_artifacts(run.info.run_id, folder)
    return sorted(p for a in found for p in (files(client, run, a.path) if a.is_dir else [a.path]))


def copied(results):
    sync([results], Tracking(), results)
    return tracked(results)


def test_trainings_of_two_models_line_up(results):
    whole(results, "gof", 2.0)
    whole(results, "pigan", 7.0)
    here = Config.parse({"pathvars": {"results": str(results)}})
    with job(results / "heads" / "data" / "data.json", "dataset", here, {}):
        pass
    client, runs = copied(results)
    gof, pigan = sorted(trainings(runs), key=lambda run: run.info.run_name)
    assert (gof.info.run_name, pigan.info.run_name) == ("heads/gof/seed0", "heads/pigan/seed0")
    assert set(gof.data.metrics) == {"train/loss", "train/sigma", "sigma", "sigma.truncated"}
    assert set(gof.data.metrics) == set(pigan.data.metrics)
    assert (gof.data.metrics["sigma"], pigan.data.metrics["sigma"]) == (2.0, 7.0)
    assert (gof.data.metrics["sigma.truncated"], gof.data.metrics["train/sigma"]) == (1.0, 9.0)
    assert set(gof.data.params) == set(pigan.data.params)
    for run, model in ((gof, "gof"), (pigan, "pigan")):
        assert run.data.params["integrator"] == INTEGRATORS[model]
        assert run.data.params["stages.1.steps"] == "3"
        assert not any(model in name for name in run.data.params)
        labels = {"dataset": "heads", "model": model, "seed": "0", "kind": "training"}
        assert labels.items() <= run.data.tags.items()
        assert curve(client, run) == [(step, float(step)) for step in range(1, 2 * STEPS + 1)]
        # right in the run, where MLflow shows those of several beside each other
        wanted = ["sheet.png", "stage0/generator.yaml", "stage1/generator.yaml"]
        assert files(client, run) == wanted
        assert run.info.status == "FINISHED"
    below = [run for run in jobs(runs) if "mlflow.parentRunId" in run.data.tags]
    assert len(below) == 8
    assert not any(n.startswith("train/") or n == "sigma" for r in below for n in r.data.metrics)
    (alone,) = [run for run in jobs(runs) if "mlflow.parentRunId" not in run.data.tags]
    assert alone.info.run_name == "heads/data"


def test_the_experiment_says_that_it_trains_models(results):
    train(results, "gof", 0)
    client, _ = copied(results)
    tags = client.get_experiment_by_name("gof").tags
    assert tags["mlflow.experimentKind"] == "custom_model_development"
    assert "(#/experiments/1/runs?" in tags["mlflow.note.content"]


def test_what_somebody_writes_of_the_experiment_stays(results):
    train(results, "gof", 0)
    client, _ = copied(results)
    experiment = client.get_experiment_by_name("gof").experiment_id
    client.set_experiment_tag(experiment, "mlflow.note.content", "mine")
    train(results, "gof", 1)
    client, _ = copied(results)
    assert client.get_experiment(experiment).tags["mlflow.note.content"] == "mine"


def test_files_of_a_job_by_hand_keep_their_folder(results):
    samples(results, "gof")
    record = results / "heads" / "gof" / "seed0" / "mine" / "samples.json"
    with job(record, "samples", Config(), {}) as running:
        atomic_write(record.with_name("sheet.png"), b"other")
        running.artifact(record.with_name("sheet.png"))
    client, runs = copied(results)
    assert files(client, trainings(runs)[0]) == ["mine/sheet.png", "sheet.png"]


def test_several_results_folders_in_one_store_are_told_apart(results):
    train(results, "gof", 0)
    other = results.parent / "results-night"
    train(other, "gof", 0)
    sync([results, other], Tracking(), results)
    _, runs = tracked(results)
    found = {run.info.run_name: run.data.tags["results"] for run in trainings(runs)}
    own = {"heads/gof/seed0": "results"}
    assert found == {**own, "results-night: heads/gof/seed0": "results-night"}
    assert not (other / "mlflow").exists()


def test_a_repeated_stage_stays_in_the_training_and_doubles_nothing(results):
    whole(results, "gof")
    train(results, "gof", 1)
    client, runs = copied(results)
    (run,) = trainings(runs)
    assert curve(client, run) == [(step, float(step)) for step in range(1, 2 * STEPS + 1)]
    assert len(jobs(runs)) == 5


@pytest.mark.parametrize("between", [True, False])
def test_a_stage_with_other_settings_begins_a_training_with_the_stages_before_it(results, between):
    whole(results, "gof", 2.0)
    if between:  # copied as it happens, or all of it later: the same comes of it
        copied(results)
    train(results, "gof", 1, settings("gof", 2, lr=2e-4), offset=0.5)
    evaluate(results, "gof", 3.0)
    client, runs = copied(results)
    new, old = trainings(runs)
    assert new.info.run_name == old.info.run_name
    first = [(step, float(step)) for step in range(1, STEPS + 1)]
    second = [(step, float(step)) for step in range(STEPS + 1, 2 * STEPS + 1)]
    assert curve(client, old) == first + second
    assert curve(client, new) == first + [(step, value + 0.5) for step, value in second]
    assert (old.data.metrics["sigma"], new.data.metrics["sigma"]) == (2.0, 3.0)
    assert new.data.params["stages.1.lr_generator"] == "0.0002"
    stages = [f"gof.fingerprint.stage{n}" for n in (0, 1)]
    same = [new.data.tags.get(name) == old.data.tags[name] for name in stages]
    assert same == [True, False]


def test_a_measure_taken_again_counts_in_place_of_the_first(results):
    whole(results, "gof", 2.0)
    evaluate(results, "gof", 3.0)
    _, runs = copied(results)
    (run,) = trainings(runs)
    assert run.data.metrics["sigma"] == 3.0


def test_a_training_runs_while_one_of_its_jobs_does_and_then_is_as_its_last(results):
    record = results / "heads" / "gof" / "seed0" / "samples" / "samples.json"
    with job(record, "samples", Config(), {}):
        edit = job(record.with_name("edit.json"), "edit", Config(), {})
        with pytest.raises(ValueError, match="no"), edit:
            raise ValueError("no")
        (run,) = trainings(copied(results)[1])
        assert run.info.status == "RUNNING"
    (run,) = trainings(copied(results)[1])
    assert run.info.status == "FINISHED"
    with pytest.raises(KeyboardInterrupt), job(record, "samples", Config(), {}):
        raise KeyboardInterrupt
    (run,) = trainings(copied(results)[1])
    assert run.info.status == "KILLED"


SYNC = (
    "import sys; from pathlib import Path; from gof.run.mirror import sync\n"
    "from gof.run.settings import Tracking; results = Path(sys.argv[1])\n"
    "sync([results], Tracking(), results)\n"
)


def test_a_moved_results_folder_goes_on_in_the_same_runs(results):
    whole(results, "gof")
    # In a process of its own, for MLflow holds on to a database that it has opened.
    subprocess.run([sys.executable, "-c", SYNC, str(results)], check=True)
    moved = results.parent / "elsewhere" / "mine"
    moved.parent.mkdir()
    shutil.move(results, moved)
    samples(moved, "gof")
    client, runs = copied(moved)
    assert len(trainings(runs)) == 1
    assert len(jobs(runs)) == 5
    assert files(client, trainings(runs)[0])[0] == "sheet.png"
    assert all(files(client, run) for run in runs)
    assert not results.exists()
    assert sync([moved], Tracking(), moved) == 0


def test_a_copy_of_the_results_meets_its_runs_again_in_the_same_tracker(results, monkeypatch):
    database = results / "mlflow" / "mlflow.db"
    shared = shutil.move(database, results.parent / "shared.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{shared}")
    monkeypatch.chdir(results.parent)  # where MLflow puts the artifacts of such a database
    whole(results, "gof")
    sync([results], Tracking(), results)
    copy = results.parent / "copy"
    shutil.copytree(results, copy)
    assert sync([copy], Tracking(), copy) == 0
    shutil.rmtree(copy / "mlflow")  # without what was kept of the first time
    sync([copy], Tracking(), copy)
    client, runs = tracked(shared)
    (run,) = trainings(runs)
    assert len(jobs(runs)) == 4
    assert len(curve(client, run)) == 2 * STEPS


def test_a_training_deleted_by_hand_begins_again_with_its_curves(results):
    whole(results, "gof")
    client, runs = copied(results)
    (run,) = trainings(runs)
    client.delete_run(run.info.run_id)
    evaluate(results, "gof", 5.0)
    client, runs = copied(results)
    (again,) = trainings(runs)
    assert again.info.run_id != run.info.run_id
    assert again.data.metrics["sigma"] == 5.0
    assert len(curve(client, again)) == 2 * STEPS
    assert again.data.params == run.data.params


def test_what_the_tracker_refuses_holds_nothing_else_up(results, capfd):
    train(results, "gof", 0)
    client, runs = copied(results)
    for run in runs:
        client.delete_run(run.info.run_id)
    spool = results / "heads" / "gof" / "seed0" / "stage0" / "stage.events.jsonl"
    lines = spool.read_text().splitlines(keepends=True)
    spool.write_text("".join([*lines, *lines[1:2], *lines[-1:]]))  # as if it had gone on
    whole(results, "pigan")
    assert sync([results], Tracking(), results) == 5
    assert "refuses" in capfd.readouterr().err
    _, runs = tracked(results)
    assert [run.info.run_name for run in trainings(runs)] == ["heads/pigan/seed0"]
    assert sync([results], Tracking(), results) == 0


def test_events_that_cannot_be_used_are_left_out_with_one_line(results, capfd):
    train(results, "gof", 0)
    spool = results / "heads" / "gof" / "seed0" / "stage0" / "stage.events.jsonl"
    lines = spool.read_text().splitlines(keepends=True)
    bad = ['{"event": "curve", "time": 1}\n', "[]\n", "{\n", '{"event": "other", "time": 1}\n']
    spool.write_text("".join([lines[0], *bad, *lines[1:]]))
    old = results / "heads" / "model" / "head_model.events.jsonl"
    atomic_write(old, '{"event": "start", "time": 1, "name": "a", "group": "b"}\n')
    client, runs = copied(results)
    (run,) = trainings(runs)
    assert len(curve(client, run)) == STEPS
    assert len(jobs(runs)) == 1
    said = [line for line in capfd.readouterr().err.splitlines() if "left out" in line]
    assert len(said) == 2
    assert "4 events" in "".join(said)
    sync([results], Tracking(), results)
    assert "left out" not in capfd.readouterr().err
    assert os.path.getsize(spool)


def test_an_experiment_deleted_by_hand_is_one_line_and_loses_nothing(results):
    train(results, "gof", 0)
    client, _ = copied(results)
    evaluate(results, "gof", 2.0)
    experiment = client.get_experiment_by_name("gof").experiment_id
    client.delete_experiment(experiment)
    with pytest.raises(MachineError, match="was deleted: restore it"):
        sync([results], Tracking(), results)
    client.restore_experiment(experiment)
    (run,) = trainings(copied(results)[1])
    assert run.data.metrics["sigma"] == 2.0


def test_two_do_not_copy_at_once(results, monkeypatch):
    monkeypatch.setattr("gof.run.store.TURN_S", 0.2)
    train(results, "gof", 0)
    with (
        Store(Tracking(), results).alone(),
        pytest.raises(MachineError, match="another process has been copying"),
    ):
        sync([results], Tracking(), results)
    assert sync([results], Tracking(), results) == 1
