"""All images of a data set: files, numbers, failures, and inputs that do not belong together."""

import dataclasses
from dataclasses import replace

import numpy as np
import pytest
import torch

from gof.data.manifest import load_manifest
from gof.data.reader import load_split
from gof.experiment.config import Config
from gof.fitting import fit_set
from gof.fitting.fit import Certainty, load_fits
from gof.fitting.fit_set import run_fits
from gof.fitting.jobs import FitsJob, LandmarksJob
from gof.fitting.landmark_set import run_landmarks
from gof.morphable.coefficients import Statistics
from gof.run.files import InputError, read_json, write_json

CONFIG = Config.parse({"tracking": {"enabled": False}})


@dataclasses.dataclass
class Marks:
    points: torch.Tensor
    confidence: torch.Tensor
    found: torch.Tensor


@pytest.fixture
def files(tiny_heads, lively, tmp_path, monkeypatch):
    """Inputs of a fit; landmarks are the truth, the third training image has none."""
    record = tmp_path / "landmarks.json"
    write_json(record, {"numbers": {"source": "truth"}})

    def load(path, split, numbers=None):
        assert path == record
        points = load_split(load_manifest(tiny_heads), split, ["landmarks"])["landmarks"]
        found = torch.ones(len(points), dtype=torch.bool)
        if split == "train":
            found[2] = False
        points = torch.from_numpy(points)
        own = slice(None) if numbers is None else list(numbers)
        return Marks(points[own], torch.ones(points.shape[:2])[own], found[own])

    monkeypatch.setattr(fit_set, "load_landmarks", load)
    monkeypatch.setattr(
        fit_set, "count_landmarks", lambda path, split: len(load(path, split).found)
    )
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})  # no worker processes
    return FitsJob(data=tiny_heads, landmarks=record, head_model=lively, out=tmp_path / "fits.json")


def test_a_data_set_is_fitted(files, tmp_path, capsys):
    out = tmp_path / "fits" / "fits.json"
    run_fits(CONFIG, replace(files, out=out))
    numbers = read_json(out)["numbers"]
    assert numbers["splits"]["train"]["images"] == 12
    assert numbers["splits"]["train"]["failures"] == {"no landmarks": 1}
    assert numbers["splits"]["train"]["failed"] == [2]
    assert numbers["splits"]["test"]["fitted"] == 4
    assert "1 of 12 images of split train left out (1 no landmarks)" in capsys.readouterr().err
    values = {row["metric"]: row["value"] for row in numbers["rows"]}
    assert values["landmark_nme_percent"] < 1
    assert values["depth_error_ratio"] < 0.67
    assert out.with_suffix(".png").stat().st_size > 1000
    truth = load_split(load_manifest(files.data), "train", ["pose"])["pose"]
    fits = load_fits(out, "train")
    assert fits.ok.tolist() == [k != 2 for k in range(12)]
    assert abs(fits.pose - torch.from_numpy(truth))[fits.ok].mean() < 0.05
    statistics = Statistics.load(out.with_name("statistics.npz"))
    assert "jawOpen" in statistics.names["expression"]
    assert all(len(statistics.directions[name]) == size for name, size in statistics.sizes.items())
    z = statistics.whiten(fits.coefficients[fits.ok])
    assert z.isfinite().all() and z.square().mean() < 1.5
    torch.testing.assert_close(z.mean(0), torch.zeros(z.shape[1]), atol=1e-2, rtol=0)


def test_the_same_inputs_give_the_same_bytes(files, tmp_path):
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        run_fits(CONFIG, replace(files, out=folder / "fits.json"))
    names = sorted(path.name for path in folders[0].glob("*.*") if path.name != "fits.json")
    parts = ["fits", "statistics", "test-000", "train-000", "train-001"]
    assert [
        name.split(".")[0] for name in names if name.endswith(("safetensors", "npz", "png"))
    ] == parts
    for name in names:
        if name.endswith("jsonl"):
            continue
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes(), name


def test_shards_do_not_depend_on_the_block(files, tmp_path, monkeypatch):
    run_fits(CONFIG, replace(files, out=tmp_path / "one" / "fits.json"))
    monkeypatch.setattr(fit_set, "BLOCK", 3)
    run_fits(CONFIG, replace(files, out=tmp_path / "two" / "fits.json"))
    one, two = (load_fits(tmp_path / n / "fits.json", "train").arrays() for n in ("one", "two"))
    for name in one:
        np.testing.assert_allclose(two[name], one[name], atol=2e-4, err_msg=name)


def test_landmarks_of_another_data_set_are_refused(files, tmp_path, monkeypatch):
    monkeypatch.setattr(fit_set, "count_landmarks", lambda path, split: 11)
    with pytest.raises(InputError, match="11 landmarks for 12 images of split 'train'"):
        run_fits(CONFIG, replace(files, out=tmp_path / "fits.json"))


def test_no_landmarks_at_all_is_one_clear_error(files, tmp_path, monkeypatch):
    load = fit_set.load_landmarks

    def none(path, split, numbers=None):
        own = load(path, split, numbers)
        return dataclasses.replace(own, found=torch.zeros(len(own.found)))

    monkeypatch.setattr(fit_set, "load_landmarks", none)
    with pytest.raises(InputError, match="no image of split train could be fitted"):
        run_fits(CONFIG, replace(files, out=tmp_path / "fits.json"))
    assert not (tmp_path / "fits.json").exists()


def test_the_landmarks_source_says_how_sure_they_are(tmp_path):
    record = tmp_path / "landmarks.json"
    for source in ("truth", "detector", "regressor"):
        write_json(record, {"numbers": {"source": source}})
        expected = Certainty.of(CONFIG.faces.fit, exact=source == "truth")
        assert fit_set._certainty(CONFIG, record) == expected


def test_from_landmarks_on_disk_to_statistics(tiny_heads, lively, tmp_path, monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})
    record = tmp_path / "landmarks" / "landmarks.json"
    run_landmarks(CONFIG, LandmarksJob(data=tiny_heads, out=record))
    out = tmp_path / "fits" / "fits.json"
    run_fits(CONFIG, FitsJob(data=tiny_heads, landmarks=record, head_model=lively, out=out))
    numbers = read_json(out)["numbers"]
    assert {name: own["fitted"] for name, own in numbers["splits"].items()} == {
        "train": 12,
        "test": 4,
    }
    assert set(numbers["shards"]) == {"train", "test"}
    assert Statistics.load(out.with_name("statistics.npz")).sizes["light"] == 27
