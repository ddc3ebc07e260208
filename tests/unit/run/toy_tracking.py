"""A results folder with a small database, jobs that report into it, and what MLflow then holds."""

import shutil

import pytest

from gof.experiment.config import Config
from gof.run.job import job

CONFIG = Config.parse({"samples": {"latents": 3}})


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory):
    """A database with tables and nothing else, since making them takes seconds."""
    from mlflow.tracking import MlflowClient

    path = tmp_path_factory.mktemp("database") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """A results folder without a database."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path / "results"


@pytest.fixture
def results(fresh, empty_database):
    (fresh / "mlflow").mkdir(parents=True)
    shutil.copy(empty_database, fresh / "mlflow")
    return fresh


def stage(results, number=0):
    return results / "heads" / "gof" / "seed0" / f"stage{number}" / "stage.json"


def tracked(results):
    """All runs of the results' database, and the client."""
    from mlflow.tracking import MlflowClient

    database = results if results.is_file() else results / "mlflow" / "mlflow.db"
    client = MlflowClient(f"sqlite:///{database.resolve()}")
    experiment = client.get_experiment_by_name("gof").experiment_id
    return client, client.search_runs([experiment])


def jobs(runs):
    return [run for run in runs if run.data.tags["kind"] != "training"]


def trainings(runs):
    return [run for run in runs if run.data.tags["kind"] == "training"]


def curve(client, run, name="train/loss"):
    """Step and value of each point of a curve, in the order of steps."""
    return sorted((m.step, m.value) for m in client.get_metric_history(run.info.run_id, name))


def log(record, steps, stop=None):
    with job(record, "train", CONFIG, {}) as running:
        for step in steps:
            running.metrics({"loss": float(step)}, step)
        if stop is not None:
            raise SystemExit(stop)
