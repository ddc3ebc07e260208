"""What each step of the workflow depends on, and on nothing else; every scope reads back."""

import json

import pytest

from gof.config.reading import merged
from gof.experiment import plan, scopes
from gof.experiment.config import Config
from gof.experiment.plan import TrainingRun

STAGES = [{"resolution": 8, "steps": 3}, {"resolution": 16, "steps": 4}]
VALUES = {
    "seeds": [3, 4],
    "datasets": {
        "heads": {"source": "heads", "train": 7, "background": [0.1, 0.2, 0.3]},
        "ph": {"source": "photographs", "folder": "x", "camera": {"fov_deg": 20}},
        "few": {"source": "photographs", "folder": "y", "models": ["gof"]},
    },
    "faces": {"pool": {"resolutions": [8, 16]}},
    "common": {"field": {"layers": 2}},
    "models": {
        "cgof": {"integrator": "occupancy", "conditions": {}, "stages": STAGES},
        "pigan": {"integrator": "density", "sampling": {"surface": 0}, "stages": STAGES},
        "gof": {"integrator": "occupancy", "stages": STAGES},
    },
}


def config(**changes):
    return Config.parse(merged(VALUES, changes))


def scope(text):
    """A scope that a job can read, as values."""
    Config.load(text)
    return json.loads(text)


def test_models_meet_the_data_sets_that_offer_what_they_need():
    plain = {"pigan", "gof"}
    expected = [
        TrainingRun(dataset, model, seed)
        for dataset, models in (("heads", plain | {"cgof"}), ("ph", plain), ("few", {"gof"}))
        for model in VALUES["models"]
        if model in models
        for seed in (3, 4)
    ]
    assert plan.trainings(config()) == expected


def test_a_reason_is_given_for_what_is_not_trained():
    assert plan.left_out(config()) == {
        "ph": {"cgof": "ph offers no coefficients, landmarks"},
        "few": {
            "cgof": "few offers no coefficients, landmarks",
            "pigan": "not among few's models",
        },
    }


def test_tables_are_told_what_is_not_measured():
    found = plan.reasons(config())
    assert set(found) == {"ph", "few"}, "heads offers everything"
    why = "the data set offers no depth"
    assert found["few"]["comparison"]["SIDE ×100, MAD (deg)"] == why
    assert found["few"]["comparison"]["pigan"] == "not among few's models"
    assert "control" in found["ph"] and "control" not in plan.left_out(config())["ph"]


def test_what_data_sets_offer():
    own = config()
    assert own.offers("ph") == {"images"}
    assert own.offers("heads") >= {"images", "depth", "poses", "coefficients"}


def test_a_data_set_depends_on_its_own_section_alone():
    own = config()
    read = Config.load(scopes.of_dataset(own, "few"))
    assert list(read.datasets) == ["few"]
    assert read.datasets["few"] == own.datasets["few"].model_copy(update={"models": None})
    changed = config(datasets={"ph": {"folder": "z"}, "few": {"models": None}}, seeds=[5])
    assert scopes.of_dataset(changed, "few") == scopes.of_dataset(own, "few")
    assert scopes.of_dataset(changed, "ph") != scopes.of_dataset(own, "ph")
    assert set(scope(scopes.of_dataset(own, "heads"))) == {"datasets"}


@pytest.mark.parametrize(
    "change",
    [
        {"camera": {"law": "sphere"}},
        {"background": [0, 0, 0]},
        {"resolutions": [16, 32]},
        {"flip": False},
        {"shard_size": 9},
        {"train": 8},
        {"seed": 1},
    ],
)
def test_a_data_set_depends_on_all_that_goes_into_it(change):
    changed = config(datasets={"heads": change})
    assert scopes.of_dataset(changed, "heads") != scopes.of_dataset(config(), "heads")


def test_a_head_model_does_not_depend_on_how_its_heads_are_rendered():
    own = scopes.of_head_model(config(), "heads")
    render = {"train": 9, "background": [0, 0, 0], "resolutions": [32], "camera": {"near": 0.5}}
    assert scopes.of_head_model(config(datasets={"heads": render}), "heads") == own
    for change in ({"seed": 1}, {"identity_components": 3}, {"identities_for_pca": 200}):
        assert scopes.of_head_model(config(datasets={"heads": change}), "heads") != own
    assert set(scope(own)["datasets"]["heads"]) == {
        "source",
        "identity_components",
        "identities_for_pca",
        "seed",
    }


@pytest.mark.parametrize("part", ["landmarks", "fit", "pool", "regressors"])
def test_a_step_of_the_faces_depends_on_its_part(part):
    own = scopes.of_faces(config(), part)
    assert list(scope(own)["faces"]) == [part] and set(scope(own)) == {"faces"}
    change = {
        "landmarks": {"source": "detector"},
        "fit": {"iterations": 3},
        "pool": {"count": 9},
        "regressors": {"judge": {"steps": 4}},
    }
    for name, values in change.items():
        changed = scopes.of_faces(config(faces={name: values}), part)
        assert (changed == own) == (name != part)


def test_a_regressor_depends_on_its_own_section():
    own = scopes.of_regressor(config(), "judge")
    changed = config(faces={"regressors": {"teacher": {"steps": 4}}})
    assert scopes.of_regressor(changed, "judge") == own
    assert scopes.of_regressor(changed, "teacher") != scopes.of_regressor(config(), "teacher")
    assert list(scope(own)["faces"]["regressors"]) == ["judge"]


def test_a_metric_depends_on_its_own_section_and_the_evaluation_seeds():
    own, changed = config(), config(metrics={"depth": {"steps": 7}})
    assert scopes.of_metric(own, "heads", "frechet") == scopes.of_metric(
        changed, "heads", "frechet"
    )
    assert scopes.of_metric(own, "heads", "depth") != scopes.of_metric(changed, "heads", "depth")
    seeds = config(metrics={"seeds": [9]})
    assert scopes.of_metric(own, "heads", "frechet") != scopes.of_metric(seeds, "heads", "frechet")
    parts = scope(scopes.of_metric(own, "heads", "depth"))["metrics"]
    assert set(parts) == {"seeds", "split", "views", "depth"}


def test_what_is_untrained_depends_on_the_networks_of_the_first_unconditional_model():
    own = scopes.of_metric(config(), "heads", "surface")
    read = Config.load(own)
    assert list(read.models) == ["pigan"], "cgof has conditions"
    assert read.models["pigan"].networks() == config().models["pigan"].networks()
    assert read.models["pigan"].stages[-1].resolution == 16
    assert set(scope(own)["metrics"]) == {"seeds", "split", "surface"}
    for same in (
        {"integrator": "occupancy", "sampling": {"surface": 3}},
        {"normal": {"weight": 3}},
        {"training": {"ema": 0.5}},
        {"stages": [{"resolution": 16, "steps": 9}]},
    ):
        assert scopes.of_metric(config(models={"pigan": same}), "heads", "surface") == own
    for other in (
        {"field": {"layers": 3}},
        {"mapping": {"latent": 3}},
        {"start_shape": {"radius": 0}},
        {"training": {"truncation_latents": 3}},
        {"stages": [{"resolution": 32, "steps": 4}]},
    ):
        assert scopes.of_metric(config(models={"pigan": other}), "heads", "surface") != own


def test_what_is_untrained_where_no_unconditional_model_is_trained():
    own = config(models={"pigan": None, "gof": None}, datasets={"few": None})
    assert set(scope(scopes.of_views(own, "heads"))) == {"metrics"}
    few = scope(scopes.of_views(config(), "few"))
    assert list(few["models"]) == ["gof"], "the first that is trained on it"


def test_a_stage_depends_on_no_later_stage_and_no_other_model():
    own = config()
    longer = [STAGES[0], {"resolution": 16, "steps": 9}]
    changed = config(models={"gof": {"stages": longer}, "pigan": None}, seeds=[4])
    assert scopes.of_stage(own, "gof", 0) == scopes.of_stage(changed, "gof", 0)
    assert scopes.of_stage(own, "gof", 1) != scopes.of_stage(changed, "gof", 1)
    read = Config.load(scopes.of_stage(own, "gof", 1))
    assert read.models == {"gof": own.models["gof"]} and not read.datasets
    assert set(scope(scopes.of_stage(own, "gof", 0))) == {"models"}


def test_a_stage_depends_on_what_models_share():
    changed = config(common={"field": {"layers": 3}})
    assert scopes.of_stage(changed, "gof", 0) != scopes.of_stage(config(), "gof", 0)


def test_a_variant_is_trained_beside_its_base_and_does_not_change_it():
    own = scopes.of_stage(config(), "gof", 0)
    variant = config(models={"gof_smooth": {"extends": "gof", "normal": {"weight": 0.5}}})
    assert scopes.of_stage(variant, "gof", 0) == own
    assert TrainingRun("ph", "gof_smooth", 3) in plan.trainings(variant)
    smooth = Config.load(scopes.of_stage(variant, "gof_smooth", 0)).models["gof_smooth"]
    assert smooth.normal.weight == 0.5 and smooth.field.layers == 2


def test_a_stage_depends_on_no_loss_of_later_stages():
    def scoped(weight, stage, steps=5):
        stages = [{"objective": "geometric", "resolution": 16, "steps": 5}]
        stages += [{"resolution": 16, "steps": steps}, {"resolution": 32, "steps": 5}]
        terms = {"warping": {"weight": weight, "from_stage": 2}, "guided_from": 1}
        cgof = {"integrator": "occupancy", "conditions": terms, "stages": stages}
        return scopes.of_stage(Config.parse({"models": {"cgof": cgof}}), "cgof", stage)

    for stage in (0, 1):
        assert scoped(1, stage) == scoped(2, stage)
    assert scoped(1, 2) != scoped(2, 2)
    read = Config.load(scoped(1, 0)).models["cgof"].conditions
    assert (read.warping.weight, read.guided_from, read.geometric.weight) == (0, None, 1)
