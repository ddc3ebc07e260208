"""A folder of photographs goes through the whole workflow: the second source of data."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from gof.data.manifest import load_manifest
from gof.data.reader import load_images
from tests.workflow import copy_workflow

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]  # with the run they look at
BOTH = ("--configfile", "workflow/configs/smoke.yaml", "workflow/configs/photographs.yaml")
SIZES = ((64, 64), (71, 64), (90, 140), (64, 300), (333, 217))


@pytest.fixture(scope="module")
def results(finished, tmp_path_factory):
    """What a run on JPEGs of many sizes leaves, written from renders."""
    workflow = copy_workflow(tmp_path_factory.mktemp("photographs") / "copy")
    folder = workflow.folder / "photographs"
    folder.mkdir()
    manifest = load_manifest(finished.folder / "results-smoke" / "heads" / "data" / "manifest.json")
    images = load_images(manifest, "train", 64).permute(0, 2, 3, 1).numpy()
    for number, image in enumerate(np.concatenate([images, images[:, :, ::-1]])):
        size = SIZES[number % len(SIZES)]
        Image.fromarray(image).resize(size).save(folder / f"{number:03}.jpg", quality=92)
    done = workflow.run("--cores", "2", *BOTH)
    assert done.status == 0, done.text[-5000:]
    return workflow.folder / "results-photographs"


def test_every_model_that_needs_images_alone_is_trained_and_shown(results):
    trained = {path.name for path in (results / "photographs").iterdir()} - {"data", "reference"}
    assert trained == {"gof", "pigan"}
    for model in trained:
        training = results / "photographs" / model / "seed0"
        for name in ("stage1/generator.yaml", "samples/sheet.png", "meshes/viewer.html"):
            assert (training / name).stat().st_size > 0
        assert json.loads((training / "stage1" / "stage.json").read_text())["numbers"]["step"] == 20
    for name in ("report.html", "figures/losses.png", "figures/shapes.png"):
        assert (results / name).stat().st_size > 0
    assert not (results / "heads").exists()


def test_the_data_set_is_of_one_size_and_has_its_own_camera(results):
    manifest = load_manifest(results / "photographs" / "data" / "manifest.json")
    assert (manifest.resolutions, manifest.offers) == ((16, 32), ("images",))
    assert (manifest.camera.yaw, manifest.camera.pitch) == (0.3, 0.15)
    assert sum(split.count for split in manifest.splits.values()) == 96
    for model in ("gof", "pigan"):
        path = results / "photographs" / model / "seed0" / "views" / "manifest.json"
        assert load_manifest(path).camera == manifest.camera


def test_what_needs_no_truth_is_measured_and_the_rest_has_its_reason(results):
    rows = pd.read_csv(results / "tables" / "metrics.csv")
    assert set(rows.dataset) == {"photographs"}
    for model in ("gof", "pigan"):
        own = set(rows[rows.model == model].metric)
        assert {"fd_efficientnet", "sigma"} <= own and not own & {"side_x100", "mad_deg"}
    text = (results / "tables" / "comparison.md").read_text()
    assert "Not measured: SIDE ×100, MAD (deg): the data set offers no depth" in text
