"""The whole line, tiny: what a run leaves, and what a change makes it do again."""

import json
import os
import shutil
import signal
import time
from contextlib import contextmanager

import pandas as pd
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]  # with the run they look at
SMOKE = ("--configfile", "workflow/configs/smoke.yaml")
AFTER_TRAINING = {"samples": 1, "mesh": 1, "views": 1, "evaluate": 7, "tables": 1, "figures": 1}
AFTER_CONDITIONAL = {"train": 3, **AFTER_TRAINING, "evaluate": 10, "show_control": 1}
NOTE = "smoke run: numbers mean nothing"


@pytest.fixture(scope="module")
def results(finished):
    return finished.folder / "results-smoke"


@contextmanager
def edited(path, old, new):
    """A file with other content for a while."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    try:
        yield
    finally:
        path.write_text(text)


def tracked(database):
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{database}")
    experiment = client.get_experiment_by_name("gof").experiment_id
    return client, client.search_runs([experiment], max_results=200)


@pytest.mark.skipif("SMOKE_SECONDS" not in os.environ, reason="SMOKE_SECONDS: how long it may take")
def test_it_ends_in_time(finished):
    assert finished.seconds <= float(os.environ["SMOKE_SECONDS"])


def test_every_promised_file_is_there(results):
    training = ["stage0/stage.json", "stage1/generator.yaml", "stage1/samples.png"]
    training += ["samples/sheet.png", "samples/turntable.gif", "meshes/viewer.html"]
    training += [f"metrics/{name}.json" for name in ("frechet", "surface", "depth")]
    models = ("gof", "pigan", "cgof")
    files = [f"heads/{model}/seed0/{file}" for model in models for file in training]
    control = ["control/sweeps.png", "control/distances.png", "control/warping.png"]
    control += [f"metrics/{name}.json" for name in ("disentanglement", "shape", "landmarks")]
    files += [f"heads/cgof/seed0/{file}" for file in ("stage2/generator.yaml", *control)]
    faces = ["landmarks/landmarks.png", "fits/fits.png", "fits/statistics.npz", "pool/sheet.png"]
    faces += [f"regressors/{name}/regressor.yaml" for name in ("teacher", "judge")]
    files += [f"heads/faces/{file}" for file in faces]
    files += [f"figures/{name}.png" for name in ("losses", "interval", "weights", "shapes")]
    tables = ("comparison", "geometry", "control", "faces", "cost", "published")
    files += [
        f"tables/{name}.{suffix}" for name in tables for suffix in ("md", "html", "tex", "csv")
    ]
    files += [
        "tables/metrics.csv",
        "tables/overview.html",
        "heads/data/manifest.json",
        "report.html",
        "runs.jsonl",
    ]
    assert [file for file in files if not (results / file).stat().st_size] == []
    assert not (results.parent / "results").exists()


def test_metrics_cover_models_and_references(results):
    frame = pd.read_csv(results / "tables" / "metrics.csv")
    by_model = frame.groupby("model")["metric"].agg(set)
    wanted = {"fd_efficientnet", "side_x100", "mad_deg", "outward_fraction", "surface_agreement"}
    for model in ("gof", "pigan", "cgof"):
        assert wanted <= by_model[model]
    obeyed = {f"ds_{factor}" for factor in ("shape", "expression", "pose", "light")}
    obeyed |= {"chamfer", "chamfer_cross", "landmark_distance", "landmark_correlation"}
    obeyed |= {"landmark_correlation_cross", "expression_transfer"}
    for model in ("cgof", "cgof_truncated", "random_pairing", "renders"):
        assert obeyed <= by_model[model]
    assert {"landmark_nme_percent", "depth_error_ratio"} <= by_model["fit"]
    assert "landmark_nme_percent" in by_model["regressor"]
    assert {"real", "blurred", "untrained", "mean_depth"} <= set(by_model.index)
    assert frame["value"].notna().all()
    assert frame["protocol"].str.len().min() > 10


def test_smoke_results_are_stamped(results):
    for name in ("comparison.md", "comparison.html", "comparison.tex", "cost.md"):
        assert NOTE in (results / "tables" / name).read_text()


def test_the_report_opens_with_pictures_and_tables(results):
    page, first = ((results / name).read_text() for name in ("report.html", "tables/overview.html"))
    assert len(first) < 1_000_000 and first.count("data:image/webp") == 3
    sheet = first.split("base64,")[1][:200]
    assert sheet in page and "What was trained" in page


def test_there_is_a_report_where_there_are_no_tables(finished, results):
    away = results / "tables" / "elsewhere.html"
    (results / "tables" / "overview.html").rename(away)
    try:
        target = "results-smoke/heads/data/manifest.json"
        done = finished.run(target, "--cores", "1", *SMOKE, "--report", "data.html")
        assert done.status == 0, done.text[-2000:]
        (finished.folder / "data.html").unlink()
    finally:
        away.rename(results / "tables" / "overview.html")


def test_report_shows_captions_and_categories(results):
    page = (results / "report.html").read_text()
    for text in ("Tables", "Figures", "Meshes", "Training", "marching cubes on the logits"):
        assert text in page


def test_run_is_noted_with_its_time(results):
    (run,) = [json.loads(line) for line in (results / "runs.jsonl").read_text().splitlines()]
    assert run["jobs"] == 64
    assert run["wall_s"] > 1


def test_mlflow_holds_every_job_below_its_training(results):
    _, runs = tracked(results / "mlflow" / "mlflow.db")
    trainings = {r.info.run_name: r for r in runs if r.data.tags["kind"] == "training"}
    assert set(trainings) == {f"heads/{model}/seed0" for model in ("gof", "pigan", "cgof")}
    assert {run.info.status for run in runs} == {"FINISHED"}
    children = [r for r in runs if "mlflow.parentRunId" in r.data.tags]
    assert len(children) == 41
    for run in children:
        training = f"heads/{run.data.tags['model']}/seed{run.data.tags['seed']}"
        assert run.data.tags["mlflow.parentRunId"] == trainings[training].info.run_id
        assert run.info.run_name.startswith(f"{training}/")
        assert not any(name.startswith("train/") for name in run.data.metrics)
    assert len([run for run in runs if run.data.tags["kind"] == "train"]) == 7
    names = {run.info.run_name for run in runs} - {run.info.run_name for run in children}
    assert {"heads/data", "heads/model/head_model", "heads/reference/surface", "tables"} <= names


def test_trainings_line_up_in_mlflow(results):
    client, runs = tracked(results / "mlflow" / "mlflow.db")
    trainings = {r.data.tags["model"]: r for r in runs if r.data.tags["kind"] == "training"}
    metrics = {model: set(run.data.metrics) for model, run in trainings.items()}
    measured = {"sigma", "side_x100", "mad_deg", "fd_efficientnet", "outward_fraction"}
    assert measured | {"train/loss_g", "train/loss_d"} <= metrics["gof"] & metrics["pigan"]
    assert metrics["gof"] <= metrics["cgof"] | {"train/smoothness"}
    assert {"ds_shape", "ds_shape.truncated", "train/geometric"} <= metrics["cgof"]
    parameters = {model: set(run.data.params) for model, run in trainings.items()}
    assert {"integrator", "stages.1.steps", "training.ema"} <= parameters["gof"]
    own = {name for name in parameters["cgof"] if name.startswith(("conditions.", "stages.2."))}
    assert parameters["gof"] == parameters["pigan"] == parameters["cgof"] - own
    for model, run in trainings.items():
        last = max(results.glob(f"heads/{model}/seed0/stage*/stage.json"))
        end = json.loads(last.read_text())["numbers"]["step"]
        steps = [m.step for m in client.get_metric_history(run.info.run_id, "train/interval")]
        assert len(steps) == len(set(steps))
        assert max(steps) == end
        top = [f.path for f in client.list_artifacts(run.info.run_id)]
        assert {"sheet.png", "turntable.gif", "viewer.html"} <= set(top)
        kept = [f.path for f in client.list_artifacts(run.info.run_id, last.parent.name)]
        assert f"{last.parent.name}/generator.yaml" in kept


def test_second_run_does_nothing(finished):
    done = finished.run("--cores", "2", *SMOKE)
    assert done.status == 0
    assert "Nothing to be done" in done.text


@pytest.mark.parametrize(
    ("metric", "setting", "more"),
    [
        ("depth", "steps: 7", {}),
        ("frechet", "samples: 15", {}),
        ("surface", "coarse: 13", {"figures": 1}),
        ("specks", "grid: 20", {}),
        ("mesh", "grid: 20", {}),
        ("consistency", "yaw: 0.2", {}),
        ("identity", "samples: 4", {}),
    ],
)
def test_a_metric_setting_reruns_that_metric_and_what_reads_it(finished, metric, setting, more):
    done = finished.plan(*SMOKE, "--config", f"metrics={{{metric}: {{{setting}}}}}")
    assert done.jobs == {"evaluate": 3, "reference": 1, "tables": 1, **more}


@pytest.mark.parametrize(
    ("metric", "setting"),
    [("disentanglement", "subjects: 4"), ("shape", "heads: 5"), ("landmarks", "pairs: 4")],
)
def test_a_setting_of_control_reruns_that_metric_of_the_conditional_model(
    finished, metric, setting
):
    done = finished.plan(*SMOKE, "--config", f"metrics={{{metric}: {{{setting}}}}}")
    assert done.jobs == {"evaluate": 1, "reference": 1, "tables": 1}


def test_a_setting_of_the_views_reruns_them_and_the_metrics_that_look_at_them(finished):
    done = finished.plan(*SMOKE, "--config", "metrics={views: {truncation: 0.9}}")
    again = {"views": 3, "untrained_views": 1, "evaluate": 6, "reference": 2, "tables": 1}
    assert done.jobs == again


def test_a_loss_of_the_last_conditional_stage_reruns_no_earlier_one(finished):
    setting = "models={cgof: {conditions: {warping: {weight: 2}}}}"
    done = finished.plan(*SMOKE, "--config", setting)
    assert done.jobs == {"train": 1, **AFTER_TRAINING, "evaluate": 10, "show_control": 1}
    assert "stage=2" in done.text


def test_the_last_stage_does_not_rerun_earlier_ones(finished):
    path = finished.folder / "workflow" / "configs" / "smoke.yaml"
    with edited(path, "resolution: 16, steps: 8", "resolution: 16, steps: 9"):
        done = finished.plan(*SMOKE)
    # the unconditional model is the floor of the three metrics of control
    assert done.jobs == {"train": 1, **AFTER_TRAINING, "reference": 3}
    assert "stage=1" in done.text
    assert "stage=0" not in done.text


@pytest.mark.parametrize(
    "setting",
    ["runtime={train_threads: 2, log_every: 3}", "tracking={enabled: false}", "track_code=true"],
)
def test_how_a_run_is_made_reruns_nothing(finished, setting):
    assert finished.plan(*SMOKE, "--config", setting).jobs == {}


@pytest.mark.parametrize(
    ("module", "jobs"),
    [
        ("report/figures.py", {"figures": 1}),
        ("report/tables.py", {"tables": 1}),
        ("report/records.py", {"figures": 1, "tables": 1}),
        (
            "shapes/marching.py",
            {"mesh": 3, "evaluate": 3, "reference": 1, "show_control": 1, "tables": 1},
        ),
        ("metrics/depth.py", {"evaluate": 3, "reference": 1, "tables": 1}),
        ("metrics/networks/depth_network.py", {"evaluate": 3, "reference": 1, "tables": 1}),
        ("metrics/surface.py", {"evaluate": 3, "reference": 1, "tables": 1, "figures": 1}),
        ("metrics/shape.py", {"evaluate": 1, "reference": 1, "tables": 1}),
        ("metrics/control_context.py", {"evaluate": 3, "reference": 3, "tables": 1}),
        ("metrics/evaluate.py", {"evaluate": 24, "reference": 10, "tables": 1, "figures": 1}),
        ("conditioning/terms.py", AFTER_CONDITIONAL),
        ("data/download.py", None),
        ("training/watch.py", {}),
        ("run/mirror.py", {}),
        ("cli/main.py", {}),
    ],
)
def test_an_edit_in_a_module_reruns_what_uses_it(finished, module, jobs):
    path = finished.folder / "gof" / module
    future = "from __future__ import annotations\n"
    with edited(path, future, f"{future}\n_EDITED = 1\n"):
        done = finished.plan(*SMOKE)
    if jobs is None:  # everything comes after the download
        assert done.jobs["download"] == 2
    else:
        assert done.jobs == jobs


def test_a_comment_reruns_nothing(finished):
    path = finished.folder / "gof" / "rendering" / "render.py"
    future = "from __future__ import annotations\n"
    with edited(path, future, f"# a remark\n{future}"):
        assert finished.plan(*SMOKE).jobs == {}


def test_an_edit_reruns_nothing_where_code_is_not_tracked(finished):
    done = finished.plan(*SMOKE, "--config", "track_code=false", "--rerun-triggers", "mtime")
    assert done.jobs == {}


def test_a_commit_reruns_nothing(finished, make_commit):
    make_commit(finished, "empty")
    assert finished.plan(*SMOKE).jobs == {}


def test_the_same_seed_gives_the_same_tables_and_a_dead_tracker_stops_nothing(finished, results):
    again = finished.folder / "results-again"
    where = ("--config", "pathvars={results: results-again}")
    try:
        done = finished.run(
            "--cores", "2", *SMOKE, *where, MLFLOW_TRACKING_URI="http://127.0.0.1:9"
        )
        assert done.status == 0, done.text[-3000:]
        assert done.text.count("gof: tracking:") == 1
        for name in ("metrics.csv", "comparison.md", "control.tex", "faces.csv"):
            first, second = (place / "tables" / name for place in (results, again))
            assert first.read_bytes() == second.read_bytes(), name
        for stage in ("gof/seed0/stage1", "cgof/seed0/stage2"):
            weights = f"heads/{stage}/generator.safetensors"
            assert (results / weights).read_bytes() == (again / weights).read_bytes()
    finally:
        shutil.rmtree(again, ignore_errors=True)


def test_a_killed_training_goes_on_in_the_same_mlflow_run(finished, results):
    place = finished.folder / "results-killed"
    for part in ("assets", "heads/model", "heads/data"):
        shutil.copytree(results / part, place / part)
    stage = place / "heads" / "gof" / "seed0" / "stage0"
    path = finished.folder / "workflow" / "configs" / "smoke.yaml"
    words = ("--cores", "1", *SMOKE, "--config", "pathvars={results: results-killed}")
    words += ("--rerun-triggers", "mtime", "--", "results-killed/heads/gof/seed0/stage0/stage.json")
    try:
        with edited(path, "resolution: 8, steps: 12", "resolution: 8, steps: 150"):
            process = finished.start(*words)
            deadline = time.monotonic() + 120
            while not list(stage.glob("checkpoints/*/step-*")) and time.monotonic() < deadline:
                time.sleep(0.05)
            events = (stage / "stage.events.jsonl").read_text().splitlines()
            os.kill(json.loads(events[0])["pid"], signal.SIGKILL)
            text, _ = process.communicate()
            assert process.returncode != 0, text[-3000:]
            assert not (stage / "stage.json").exists()
            done = finished.run(*words)
            assert done.status == 0, done.text[-3000:]
        log = (place / "logs" / "train" / "heads-gof-seed0-stage0.log").read_text()
        assert "going on from step" in log
        client, runs = tracked(place / "mlflow" / "mlflow.db")
        (stage_run,) = [r for r in runs if r.data.tags["kind"] == "train"]
        (run,) = [r for r in runs if r.data.tags["kind"] == "training"]
        assert stage_run.info.status == run.info.status == "FINISHED"
        steps = [m.step for m in client.get_metric_history(run.info.run_id, "train/loss_g")]
        assert len(steps) == len(set(steps))
        assert max(steps) == 150
    finally:
        shutil.rmtree(place, ignore_errors=True)
