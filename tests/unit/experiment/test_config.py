import json

import pytest

from gof.conditioning.settings import Conditions
from gof.config.reading import ConfigError
from gof.experiment.config import RUNTIME_SECTIONS, Config

MODEL = {"integrator": "occupancy", "stages": [{"resolution": 8, "steps": 3}]}


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"sead": 3}, "sead: unknown key"),
        ({"heads": {"trian": 3}}, "heads.trian: unknown key"),
        ({"heads": {"train": "many"}}, "heads.train"),
        ({"heads": {"train": 0}}, "heads.train"),
        ({"camera": {"near": 1.2, "far": 1.1}}, "camera"),
        ({"models": {"gof": {**MODEL, "integrator": "opacity"}}}, "models.gof.integrator"),
        ({"models": {"gof": {**MODEL, "sampling": {"surface": 0}}}}, "models.gof"),
        ({"models": {"gof": {**MODEL, "stages": []}}}, "models.gof.stages"),
        ({"metrics": {"seeds": []}}, "metrics.seeds"),
        (
            {"models": {"a": {**MODEL, "conditions": {"guided": True}}}},
            "models.a.conditions.guided",
        ),
        (
            {"models": {"a": {**MODEL, "conditions": {}}}, "faces": {}},
            "faces.pool.resolutions lacks 8",
        ),
        (
            {"models": {"a": {**MODEL, "stages": [{**MODEL["stages"][0], "objective": "warm"}]}}},
            "models.a.stages.0.objective",
        ),
    ],
)
def test_error_is_one_line_that_names_the_key(values, key):
    with pytest.raises(ConfigError) as caught:
        Config.parse(values)
    assert key in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [1\n", "a: 1\n\tb: 2\n", ""])
def test_files_that_hold_no_mapping_are_refused(tmp_path, text):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"c\.yaml: ") as caught:
        Config.load(str(path))
    assert "\n" not in str(caught.value)


def test_missing_file_and_broken_json_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        Config.load(str(tmp_path / "none.yaml"))
    with pytest.raises(ConfigError, match="--config"):
        Config.load('{"heads": ')


def test_later_files_change_earlier_ones_key_by_key(tmp_path):
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text("heads: {train: 5, test: 6}\nseeds: [1, 2]\n")
    second.write_text("heads: {train: 7}\nseeds: [3]\n")
    config = Config.load(str(first), str(second))
    assert (config.heads.train, config.heads.test, config.seeds) == (7, 6, (3,))


def test_a_stage_depends_on_no_later_stage_and_no_other_model():
    stages = [{"resolution": 8, "steps": 3}, {"resolution": 16, "steps": 4}]
    config = Config.parse({"models": {"a": {**MODEL, "stages": stages}, "b": MODEL}})
    longer = [stages[0], {"resolution": 16, "steps": 9}]
    changed = Config.parse({"models": {"a": {**MODEL, "stages": longer}}, "seeds": [4]})
    assert config.for_stage("a", 0) == changed.for_stage("a", 0)
    assert config.for_stage("a", 1) != changed.for_stage("a", 1)


def test_a_stage_depends_on_no_loss_of_later_stages():
    def config(weight, steps=5):
        stages = [{"objective": "geometric", "resolution": 16, "steps": 5}]
        stages += [{"resolution": 16, "steps": steps}, {"resolution": 32, "steps": 5}]
        terms = {"warping": {"weight": weight, "from_stage": 2}, "guided_from": 1}
        cgof = {"integrator": "occupancy", "conditions": terms, "stages": stages}
        return Config.parse({"models": {"cgof": cgof}})

    one, other = config(1), config(2)
    for stage in (0, 1):
        assert one.for_stage("cgof", stage) == other.for_stage("cgof", stage)
    assert one.for_stage("cgof", 2) != other.for_stage("cgof", 2)
    read = Config.load(one.for_stage("cgof", 0)).models["cgof"].conditions
    assert (read.warping.weight, read.guided_from, read.geometric.weight) == (0, None, 1)


def test_a_loss_given_in_part_keeps_its_other_defaults():
    plain, given = Conditions(), Conditions(warping={"weight": 2})
    assert given.warping == plain.warping.model_copy(update={"weight": 2.0})
    assert given.warping.from_stage == 2
    with pytest.raises(ValueError, match="wight"):
        Conditions(warping={"wight": 2})


def test_null_takes_a_model_away():
    assert set(Config.parse({"models": {"a": MODEL, "b": None}}).models) == {"a"}


def test_a_metric_depends_on_its_own_section():
    config = Config()
    changed = Config.parse({"metrics": {"depth": {"steps": 7}}})
    assert config.for_metric("frechet") == changed.for_metric("frechet")
    assert config.for_metric("depth") != changed.for_metric("depth")
    assert set(json.loads(config.for_metric("depth", "views"))["metrics"]) == {
        "seeds",
        "views",
        "depth",
    }


@pytest.mark.parametrize(
    ("metrics", "fault"),
    [
        ({"frechet": {"samples": 1001}}, r"views.count \(1000\) is too few for frechet"),
        ({"views": {"count": 99}, "depth": {"pairs": 100}}, "too few for depth"),
        ({"views": {"resolution": 48}, "depth": {}}, r"multiple of views.resolution \(48\)"),
    ],
)
def test_metrics_fit_the_views_they_look_at(metrics, fault):
    with pytest.raises(ConfigError, match=fault):
        Config.parse({"metrics": metrics})
    # What the rule `views` passes on says nothing of the metrics.
    assert Config.parse({"metrics": {"views": {"count": 2}}}).metrics.views.count == 2


def test_what_a_rule_passes_on_reads_back_the_same():
    config = Config.parse({"models": {"a": MODEL}, "camera": {"fov_deg": 20.0}})
    read = Config.load(config.for_stage("a", 0))
    assert (read.models, read.camera) == (config.models, config.camera)
    assert set(json.loads(config.only("heads"))) == {"heads"}


def test_runtime_comes_from_elsewhere_only_where_it_is_not_set():
    other = Config.parse({"runtime": {"log_every": 7}, "tracking": {"enabled": False}})
    mine = Config.parse({"runtime": {"log_every": 3}})
    merged = mine.with_runtime(other)
    assert merged.runtime.log_every == 3
    assert merged.tracking.enabled is False
    assert "tracking" not in mine.model_fields_set


def test_ablations_differ_from_cgof_in_one_condition_each():
    models = Config.load("config.yaml", "workflow/configs/ablations.yaml").models
    whole = models.pop("cgof")
    plain = whole.conditions.model_dump()
    for name, model in models.items():
        assert model.model_copy(update={"conditions": whole.conditions}) == whole, name
        kept = {key for key, value in model.conditions.model_dump().items() if value == plain[key]}
        assert len(plain) - len(kept) == (2 if name == "cgof_no_landmarks" else 1), name


def test_a_job_by_hand_is_scoped_to_what_it_depends_on():
    whole = Config.parse({"seeds": [1], "samples": {"latents": 3}, "runtime": {"log_every": 9}})
    own = whole.scoped(whole.only("samples"))
    assert own.model_fields_set - RUNTIME_SECTIONS == {"samples"}
    assert (own.samples, own.runtime) == (whole.samples, whole.runtime)
