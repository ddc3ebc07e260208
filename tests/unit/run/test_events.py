from pathlib import Path

import pytest
import yaml

from gof.experiment.config import Config
from gof.experiment.scopes import of_stage
from gof.run.events import measured, parameters

ROOT = Path(__file__).resolve().parents[3]


def test_the_model_stands_for_itself_and_lists_of_sections_are_numbered():
    settings = {
        "models": {"a": {"x": 1, "stages": [{"n": 2}, {"n": 3}]}, "b": {"y": 1}},
        "seeds": [0, 1],
        "datasets": {"d": {"camera": {"law": "g", "far": None}}},
    }
    common = {"seeds": "[0, 1]", "camera.law": "g"}
    assert parameters(settings, "a") == {"x": "1", "stages.0.n": "2", "stages.1.n": "3", **common}
    assert parameters(settings, None) == common
    only = {"models": {"b": {"y": 1}}}
    assert parameters(only, None) == parameters(only, "b") == {"y": "1"}
    two = {"datasets": {"d": {"train": 1}, "e": {"train": 2}}}
    assert parameters(two, None) == {"datasets.d.train": "1", "datasets.e.train": "2"}


def test_a_section_without_weight_counts_unless_it_is_a_term_of_stages():
    settings = {"opacity": {"weight": 0}, "colour": {"weight": 0, "from_stage": 1}}
    assert parameters(settings, None) == {"opacity.weight": "0"}


@pytest.mark.parametrize("model", ["gof", "pigan", "cgof"])
def test_a_later_stage_changes_no_parameter_of_an_earlier_one(model):
    config = Config.parse(yaml.safe_load((ROOT / "config.yaml").read_text()))
    known = {}
    for stage in range(len(config.models[model].stages)):
        own = config.scoped(of_stage(config, model, stage))
        new = parameters(own.model_dump(mode="json", exclude_unset=True), model)
        assert known.items() <= new.items()
        assert f"stages.{stage}.steps" in new.keys() - known.keys()
        known = new
    assert ("conditions.warping.weight" in known) == (model == "cgof")


def row(model, metric="sigma", value=1.0):
    return {"model": model, "metric": metric, "value": value}


@pytest.mark.parametrize(
    ("models", "own", "names"),
    [
        (["gof", "gof_truncated"], "gof", ["sigma", "sigma.truncated"]),
        (["cgof", "gof"], "cgof", ["sigma", "sigma.gof"]),
        (["gof_smooth", "gof_smooth_truncated"], "gof_smooth", ["sigma", "sigma.truncated"]),
        (["fit"], None, ["sigma"]),
        (["gof", "gof_truncated"], None, ["sigma", "sigma.truncated"]),
        (
            ["real", "blurred", "untrained"],
            None,
            ["sigma.real", "sigma.blurred", "sigma.untrained"],
        ),
        ([], None, []),
    ],
)
def test_metrics_are_named_without_the_model(models, own, names):
    assert list(measured([row(model) for model in models], own)) == names


def test_what_was_not_measured_is_left_out():
    assert measured([row("a", "x", None), row("a", "y", 2)], "a") == {"y": 2.0}
