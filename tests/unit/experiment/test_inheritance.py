import copy

import pytest

from gof.config.errors import ConfigError
from gof.experiment.config import Config
from gof.experiment.inheritance import resolved

STAGES = [{"resolution": 8, "steps": 3}]
MODEL = {"integrator": "occupancy", "stages": STAGES}


def test_what_models_share_stands_below_each():
    values = {
        "common": {"field": {"layers": 2, "width": 8}, "normal": {"weight": 0.1}},
        "models": {"a": {**MODEL, "field": {"width": 16}}, "b": {**MODEL, "normal": {"rays": 4}}},
    }
    models = Config.parse(values).models
    assert (models["a"].field.layers, models["a"].field.width) == (2, 16)
    assert (models["b"].field.layers, models["b"].field.width) == (2, 8)
    assert (models["a"].normal.weight, models["b"].normal.weight) == (0.1, 0.1)
    assert (models["a"].normal.rays, models["b"].normal.rays) == (128, 4)


def test_common_may_hold_all_a_model_needs():
    models = Config.parse({"common": MODEL, "models": {"a": {}, "b": {"opacity": {"weight": 0}}}})
    assert models.models["a"].opacity.weight == 0.1 and models.models["b"].opacity.weight == 0


def test_a_variant_is_what_differs():
    values = {
        "common": {"normal": {"distance": 0.5}, "opacity": {"cap": 3.0}},
        "models": {
            "gof": {**MODEL, "normal": {"weight": 0.7, "distance": 0.01}, "opacity": {"growth": 2}},
            "gof_smooth": {"extends": "gof", "normal": {"weight": 0.5}},
            "gof_long": {"extends": "gof_smooth", "stages": [{"resolution": 16, "steps": 9}]},
        },
    }
    models = Config.parse(values).models
    gof, smooth, longer = (models[name] for name in ("gof", "gof_smooth", "gof_long"))
    assert (smooth.normal.weight, smooth.normal.distance) == (0.5, 0.01)
    same = smooth.model_copy(update={"normal": gof.normal})
    assert same == gof
    assert longer.model_copy(update={"stages": gof.stages}) == smooth
    assert [stage.resolution for stage in longer.stages] == [16], "lists are not mixed"
    assert smooth.opacity.growth == 2 and smooth.opacity.cap == 3.0


def test_a_variant_may_come_before_its_base_and_from_another_source():
    two = Config.load(
        '{"models": {"b": {"extends": "a", "normal": {"weight": 2}}}}',
        '{"models": {"a": {"integrator": "occupancy", "stages": [{"resolution": 8, "steps": 3}]}}}',
    )
    assert list(two.models) == ["b", "a"]
    assert two.models["b"].normal.weight == 2 and two.models["a"].normal.weight == 0


def test_null_takes_a_model_or_an_optional_part_away():
    values = {
        "models": {
            "cgof": {**MODEL, "conditions": {}},
            "plain": {"extends": "cgof", "conditions": None},
            "gone": None,
        }
    }
    models = Config.parse(values).models
    assert list(models) == ["cgof", "plain"]
    assert models["plain"].conditions is None and models["cgof"].conditions is not None


@pytest.mark.parametrize(
    ("models", "fault"),
    [
        ({"a": {"extends": "a"}}, "models.a.extends: a > a"),
        ({"a": {"extends": "b"}, "b": {"extends": "a"}}, "models.b.extends: a > b > a"),
        (
            {"d": {"extends": "a"}, "a": {"extends": "b"}, "b": {"extends": "a"}},
            "models.b.extends: d > a > b > a",
        ),
        ({"a": {"extends": "z"}, "b": MODEL, "c": None}, "models.a.extends: no model 'z'; .* b$"),
        ({"a": {"extends": "b"}, "b": None}, "models.a.extends: no model 'b'; there are none"),
        ({"a": {"extends": "b"}, "b": 3}, "models.a.extends: no model 'b'"),
        ({"a": {"extends": ["b"]}, "b": MODEL}, "models.a.extends: no model"),
        ({"a": {"extends": {"b": 1}}, "b": MODEL}, "models.a.extends: no model"),
        ({"a": {"extends": None}, "b": MODEL}, "models.a.extends: no model None"),
    ],
)
def test_what_extends_itself_or_nothing_is_refused(models, fault):
    with pytest.raises(ConfigError, match=fault) as caught:
        Config.parse({"models": models})
    assert "\n" not in str(caught.value)


def test_what_is_wrong_in_a_base_is_named_at_a_model():
    with pytest.raises(ConfigError, match=r"models\.a\.fild: unknown key"):
        Config.parse({"common": {"fild": {}}, "models": {"a": MODEL}})
    with pytest.raises(ConfigError, match=r"models\.a\.field\.layers: "):
        Config.parse({"common": {"field": {"layers": "x"}}, "models": {"a": MODEL}})


def test_nothing_given_is_changed():
    values = {
        "common": {"normal": {"weight": 1}},
        "datasets": {"a": None},
        "models": {"a": MODEL, "b": {"extends": "a", "normal": {"rays": 2}}, "c": None},
    }
    before = copy.deepcopy(values)
    found = resolved(values)
    assert values == before
    assert found == {
        "datasets": {},
        "models": {
            "a": {**MODEL, "normal": {"weight": 1}},
            "b": {**MODEL, "normal": {"weight": 1, "rays": 2}},
        },
    }
    assert resolved(found) == found, "what is resolved stays"
