"""Three trainings found and compared in MLflow by the clicks that README names."""

import http.client
import os
import re
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from gof.experiment.config import Config
from gof.run.files import write_png
from gof.run.job import job
from gof.run.mirror import sync
from gof.run.settings import Tracking

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
MODELS = {"gof": ("occupancy", 0.2), "pigan": ("density", 1.4), "cgof": ("occupancy", 0.05)}
STEPS = (10, 20, 30)
# What MLflow's own page complains of: a picture of its that is not there, drawing that lags.
THEIRS = ("404 (Not Found)", "ResizeObserver", "Uncaught (in promise)")
START_S = 120.0


def training(results, model: str, integrator: str, sigma: float) -> None:
    """What the jobs of a training report: curves of a stage, a measure, a sheet."""
    top = results / "heads" / model / "seed0"
    own = {
        "integrator": integrator,
        "sampling": {"surface": 2 * (integrator == "occupancy")},
        "stages": [{"resolution": 8, "steps": STEPS[-1]}],
    }
    config = Config.parse({"models": {model: own}})
    with job(top / "stage0/stage.json", "train", config, {}) as run:
        for step in STEPS:
            run.metrics({"loss_g": sigma + 1 / step}, step)
    with job(top / "metrics/surface.json", "evaluate", Config(), {}) as run:
        row = {"metric": "sigma", "model": model, "value": sigma, "spread": 0.1, "n": 4}
        run.numbers = {"rows": [{**row, "protocol": "p"}]}
    with job(top / "samples/samples.json", "samples", Config(), {}) as run:
        sheet = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
        write_png(top / "samples/sheet.png", sheet)
        run.artifact(top / "samples/sheet.png")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


@pytest.fixture(scope="module")
def tracker(tmp_path_factory):
    """The address of `mlflow ui` over the store of a run of three models."""
    results = tmp_path_factory.mktemp("mlflow") / "results"
    for model, own in MODELS.items():
        training(results, model, *own)
    here = Config.parse({"pathvars": {"results": str(results)}})
    with job(results / "heads/data/data.json", "dataset", here, {}):
        pass
    sync([results], Tracking(), results)
    port = free_port()
    store = f"sqlite:///{results / 'mlflow' / 'mlflow.db'}"
    call = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", store]
    env = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # nothing that we need
    words = ["--port", str(port), "--workers", "1"]
    with open(results / "ui.log", "wb") as log:
        server = subprocess.Popen([*call, *words], env=env, stdout=log, stderr=log)
    try:
        until = time.monotonic() + START_S
        while not answers(port):
            started = server.poll() is None and time.monotonic() < until
            assert started, (results / "ui.log").read_text()
            time.sleep(0.5)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(30)


@pytest.fixture
def trainings(tracker, see):
    """The page of the trainings, by the clicks that lead there."""
    seen = see((1600, 1000), THEIRS)
    seen.open(tracker)
    page = seen.page
    page.get_by_text("Model training", exact=True).click()
    page.get_by_role("link", name="gof", exact=True).first.click()
    page.get_by_text(re.compile(r"^13 matching runs$")).wait_for()
    if page.get_by_role("button", name="Close").count():  # of the assistant
        page.get_by_role("button", name="Close").last.click()
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Trainings side by side").click()
    seen.page = opened.value
    seen.page.set_viewport_size({"width": 1600, "height": 1000})
    seen.page.get_by_text(re.compile(r"^3 matching runs$")).wait_for()
    return seen


def found(seen, words: str, drawn: str):
    """The card of a chart that is searched for, once it is drawn."""
    box = seen.page.get_by_placeholder("Search metric charts")
    box.fill(words)
    card = seen.page.get_by_test_id("experiment-view-compare-runs-card").filter(
        has=seen.page.get_by_role("heading", name=words, exact=True)
    )
    card.locator(drawn).first.wait_for()
    return card


def test_three_bars_in_one_chart_and_three_curves_on_one_axis(trainings):
    bars = found(trainings, "sigma", ".barlayer .point")
    assert bars.locator(".barlayer .point").count() == 3
    for model in MODELS:
        assert bars.get_by_text(f"heads/{model}/seed0").count()
    trainings.shot("bars")
    curves = found(trainings, "train/loss_g", ".scatterlayer .js-line")
    assert curves.locator(".js-plotly-plot").count() == 1
    colours = "lines => new Set(lines.map(line => getComputedStyle(line).stroke)).size"
    assert curves.locator(".scatterlayer .js-line").evaluate_all(colours) == 3
    trainings.shot("curves")


def test_settings_and_sheets_stand_side_by_side(trainings):
    page = trainings.page
    page.set_viewport_size({"width": 1600, "height": 2000})
    boxes = page.get_by_role("checkbox", name=re.compile("row selection"))
    for number in range(3):
        boxes.nth(number).check()
    page.get_by_role("button", name="Compare", exact=True).click()
    page.get_by_text("Comparing 3 Runs").wait_for()
    name = page.get_by_role("rowheader", name="integrator")
    name.wait_for()
    row = page.get_by_role("row").filter(has=name).inner_text().split()
    assert sorted(row) == ["density", "integrator", "occupancy", "occupancy"]
    file = page.get_by_text("sheet.png").first  # MLflow lists files that all of them have
    file.wait_for()
    file.evaluate("element => element.click()")
    sheets = page.locator("img[src^='blob:']")
    sheets.first.wait_for()
    known = "images => new Set(images.filter(i => i.naturalWidth == 64).map(i => i.src)).size == 3"
    page.wait_for_function(f"({known})([...document.querySelectorAll('img')])")
    trainings.shot("sheets")


def test_a_filter_by_hand_finds_them(tracker, see):
    seen = see((1600, 1000), THEIRS)
    seen.open(f"{tracker}/#/experiments/1/runs?workflowType=machine_learning")
    box = seen.page.get_by_placeholder("metrics.rmse < 1")
    box.fill("tags.kind = 'training' and tags.model != 'pigan'")
    box.press("Enter")
    seen.page.get_by_text(re.compile(r"^2 matching runs$")).wait_for()
