"""cGOF on photographs of faces: aligned renders go through the whole chain as if they were
photographs, and what was found in them is graded by the truth that was hidden."""

import json

import numpy as np
import pytest
from PIL import Image

from gof.data.collection import split_of
from gof.data.manifest import load_manifest
from gof.data.reader import load_images, load_split
from gof.data.settings import Photographs
from gof.fitting.fit import load_fits
from gof.fitting.landmark_set import load_landmarks
from gof.morphable import face_mesh
from gof.run.files import read_json
from tests.workflow import copy_workflow

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(not face_mesh.at_hand(), reason="needs pip install gof[faces]"),
]
SIZE = 64
CONFIG = ("workflow/configs/smoke.yaml", "workflow/configs/faces.yaml", "small.yaml")
DEGREES = 57.3


@pytest.fixture(scope="module")
def chain(finished, tmp_path_factory):
    """Results, and the truth of the training images by its names."""
    workflow = copy_workflow(tmp_path_factory.mktemp("faces") / "copy")
    folder = workflow.folder / "photographs"
    folder.mkdir()
    manifest = load_manifest(finished.folder / "results-smoke" / "heads" / "data" / "manifest.json")
    images = load_images(manifest, "train", SIZE).permute(0, 2, 3, 1).numpy()
    stored = load_split(manifest, "train", ["pose", "landmarks"])
    names = [f"{number:03}.png" for number in range(len(images))]
    for name, image in zip(names, images, strict=True):
        Image.fromarray(image).save(folder / name)
    shares = Photographs(folder="").splits
    train = [split_of(name, shares) == "train" for name in names]
    own = {"resolutions": [16, 32, SIZE], "align": None, "prior": "camera"}
    (workflow.folder / "small.yaml").write_text(json.dumps({"datasets": {"faces": own}}))
    targets = [f"results-faces/faces/cgof/seed0/{file}" for file in ("stage2/stage.json",)]
    targets += ["results-faces/faces/cgof/seed0/metrics/disentanglement.json"]
    done = workflow.run(*targets, "--cores", "all", "--configfile", *CONFIG)
    assert done.status == 0, done.text[-5000:]
    truth = {name: values[train] for name, values in stored.items()}
    return workflow.folder / "results-faces", truth


def test_landmarks_and_poses_are_near_the_hidden_truth(chain):
    results, truth = chain
    faces = results / "faces" / "faces"
    found = load_landmarks(faces / "landmarks" / "landmarks.json", "train")
    assert read_json(faces / "landmarks" / "landmarks.json")["numbers"]["source"] == "detector"
    assert float(found.found.float().mean()) > 0.9
    marks = truth["landmarks"]
    eyes = np.linalg.norm(marks[:, 45] - marks[:, 36], axis=-1)[:, None]
    error = np.linalg.norm(found.points.numpy() - marks, axis=-1) / eyes
    assert error[found.found.numpy()].mean() < 0.12
    fits = load_fits(faces / "fits" / "fits.json", "train")
    assert float(fits.ok.float().mean()) > 0.9
    gap = np.abs(fits.pose.numpy() - truth["pose"])[fits.ok.numpy()] * DEGREES
    print(np.median(gap, 0), error.mean())
    assert (np.median(gap, 0) < 6).all()
    spread = np.corrcoef(fits.pose.numpy()[fits.ok.numpy(), 0], truth["pose"][fits.ok.numpy(), 0])
    assert spread[0, 1] > 0.9


def test_no_truth_was_read_and_the_model_is_measured(chain):
    results, _ = chain
    manifest = load_manifest(results / "faces" / "data" / "manifest.json")
    assert manifest.offers == ("images",)
    assert "landmarks" not in load_split(manifest, "train", ["image_16"])
    rows = read_json(results / "faces" / "cgof" / "seed0" / "metrics" / "disentanglement.json")
    values = {row["metric"]: row["value"] for row in rows["numbers"]["rows"]}
    assert {"ds_shape", "ds_expression", "ds_pose"} <= set(values)
    stage = read_json(results / "faces" / "cgof" / "seed0" / "stage2" / "stage.json")
    assert stage["inputs"].keys() >= {"pool", "statistics", "regressor"}
