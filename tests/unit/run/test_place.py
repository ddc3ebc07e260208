from pathlib import Path

import pytest

from gof.run.place import TRACKED, place_of

RESULTS = Path("results")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("record", "name", "training", "up"),
    [
        ("heads/gof/seed0/stage1/stage.json", "heads/gof/seed0/stage1", "heads/gof/seed0", ".."),
        (
            "mine/a.b/seed12/samples/samples.json",
            "mine/a.b/seed12/samples",
            "mine/a.b/seed12",
            "..",
        ),
        (
            "heads/gof/seed0/metrics/depth.json",
            "heads/gof/seed0/metrics/depth",
            "heads/gof/seed0",
            "..",
        ),
        ("heads/gof/seed0/one.json", "heads/gof/seed0/one", "heads/gof/seed0", "."),
        ("heads/gof/seed0/a/b/c.json", "heads/gof/seed0/a/b/c", "heads/gof/seed0", "../.."),
        ("heads/data/data.json", "heads/data", "", ""),
        ("heads/reference/views/views.json", "heads/reference/views", "", ""),
        ("heads/model/head_model.json", "heads/model/head_model", "", ""),
        ("bench.record.json", "bench", "", ""),
        ("tables/tables.json", "tables", "", ""),
    ],
)
def test_a_record_in_the_results_is_named_from_there(record, name, training, up, here):
    for results in (RESULTS, here / "results", here / "seed3" / "x" / "seed0" / "deep"):
        place = place_of(results / record, "any", results)
        assert (place.name, place.training, place.up) == (name, training, up)
        assert place.results == results
        if up:
            assert ((results / record).parent / up).resolve() == (results / training).resolve()


def test_labels_are_those_of_the_training():
    labels = place_of(RESULTS / "heads" / "gof" / "seed07" / "x.json", "any", RESULTS).labels
    assert labels == {"dataset": "heads", "model": "gof", "seed": "07"}


def test_another_results_folder_is_found_by_its_mark(here):
    other = here / "runs" / "smoke"
    (other / TRACKED).parent.mkdir(parents=True)
    (other / TRACKED).touch()
    place = place_of(other / "heads" / "data" / "data.json", "dataset", RESULTS)
    assert (place.name, place.results) == ("heads/data", other)


def test_another_results_folder_is_found_by_the_pattern_nearest_to_the_record(here):
    record = Path("x", "y", "seed1", "heads", "gof", "seed0", "samples", "more.json")
    place = place_of(record, "samples", RESULTS)
    assert (place.name, place.training) == ("heads/gof/seed0/samples/more", "heads/gof/seed0")
    assert place.results == here / "x" / "y" / "seed1"


def test_results_behind_a_link_are_the_same(here):
    (here / "disk" / "results").mkdir(parents=True)
    RESULTS.symlink_to(here / "disk" / "results")
    record = here / "disk" / "results" / "heads" / "gof" / "seed0" / "x.json"
    for place in (place_of(record, "any", RESULTS), place_of(RESULTS / "a.json", "any", RESULTS)):
        assert place.results == RESULTS
    assert place_of(record, "any", RESULTS).training == "heads/gof/seed0"


@pytest.mark.parametrize(
    ("record", "kind", "name"),
    [
        ("smile.json", "edit", "edit smile"),
        ("run/stage0/stage.json", "train", "train stage0"),
        ("run/samples/samples.json", "samples", "samples run"),
        ("face/fit.json", "fit", "fit face"),
        ("run/meshes.json", "meshes", "meshes run"),
    ],
)
def test_a_record_outside_of_any_results_has_a_short_name(record, kind, name):
    place = place_of(Path(record), kind, RESULTS)
    assert (place.name, place.results, place.training) == (name, None, "")
