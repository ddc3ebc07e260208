import json
from pathlib import Path

import jsonschema
import pytest

from gof.conditioning.settings import Conditions
from gof.config.errors import ConfigError
from gof.config.reading import merged, read
from gof.data.settings import Photographs
from gof.experiment import scopes
from gof.experiment.config import RUNTIME_SECTIONS, TAKEN, Config
from gof.experiment.schema import schema
from gof.geometry.settings import Camera
from gof.heads.settings import RenderedHeads

ROOT = Path(__file__).parents[3]
STAGE = {"resolution": 8, "steps": 3}
MODEL = {"integrator": "occupancy", "stages": [STAGE]}
PHOTOGRAPHS = {"source": "photographs", "folder": "ph"}


def heads(**settings):
    return {"datasets": {"heads": {"source": "heads", **settings}}}


def photographs(**settings):
    return {"datasets": {"own": {**PHOTOGRAPHS, **settings}}}


def model(**settings):
    return {"models": {"a": {**MODEL, **settings}}}


def stages(*changes):
    return model(stages=[{**STAGE, **change} for change in changes])


def refusal(values):
    with pytest.raises(ConfigError) as caught:
        Config.parse(values)
    text = str(caught.value)
    assert "\n" not in text and text.startswith("config: ")
    return text.removeprefix("config: ")


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        # keys
        ({"sead": 3}, "sead: unknown key, got 3"),
        ({"heads": {}}, "heads: unknown key"),
        ({"camera": {}}, "camera: unknown key"),
        ({"training": {}}, "training: unknown key"),
        (heads(trian=3), "datasets.heads.trian: unknown key"),
        (heads(folder="ph"), "datasets.heads.folder: unknown key"),
        (photographs(train=3), "datasets.own.train: unknown key"),
        (model(training={"flip": True}), "models.a.training.flip: unknown key"),
        (model(training={"field": {}}), "models.a.training.field: unknown key"),
        (model(field={"latent": 3}), "models.a.field.latent: unknown key"),
        (model(conditions={"guided": True}), "models.a.conditions.guided: unknown key"),
        # kinds of values
        ({"models": [1]}, "models: Input should be a valid dictionary, got [1]"),
        ({"models": {"a": 3}}, "models.a: "),
        ({"models": None}, "models: "),
        ({"datasets": [1]}, "datasets: "),
        ({"datasets": None}, "datasets: "),
        ({"common": 3}, "common: "),
        ({"common": None}, "common: "),
        (heads(train="many"), "datasets.heads.train: "),
        (heads(train="1:30"), "datasets.heads.train: "),
        (heads(train=1.5), "datasets.heads.train: "),
        (heads(train=0), "datasets.heads.train: "),
        # kinds of sections
        ({"datasets": {"a": {"source": "mars"}}}, "datasets.a: no source 'mars'; there are carla"),
        ({"datasets": {"a": {"train": 3}}}, "datasets.a: needs a source; there are carla"),
        ({"datasets": {"a": 3}}, "datasets.a: expected a mapping that names its source, got 3"),
        ({"datasets": {"a": {"source": "photographs"}}}, "datasets.a.folder: Field required"),
        (model(field={"name": "nerf"}), "models.a.field: no name 'nerf'; there are film_siren"),
        (model(field=3), "models.a.field: expected a mapping"),
        (model(field={"layers": 65}), "models.a.field.layers: "),
        (model(mapping={"latent": 10**6}), "models.a.mapping.latent: "),
        (model(integrator="opacity"), "models.a.integrator: "),
        # data sets
        (heads(camera={"near": 1.2, "far": 1.1}), "datasets.heads.camera: far (1.1) must be"),
        (heads(camera={"law": "cone"}), "datasets.heads.camera.law: "),
        (heads(camera={"prior": "uniform"}), "datasets.heads.camera.prior: unknown key"),
        (heads(camera={"yaw": 3.2}), "datasets.heads.camera.yaw: "),
        (heads(camera={"pitch_mean": -3.2}), "datasets.heads.camera.pitch_mean: "),
        (heads(camera={"elevation": [1.0, 0.5]}), "datasets.heads.camera: elevation: the lowest"),
        (heads(camera={"elevation": [0.0, 1.6]}), "datasets.heads.camera.elevation.1: "),
        (heads(resolutions=[]), "datasets.heads.resolutions: "),
        (heads(resolutions=[24, 64]), "datasets.heads.resolutions: "),
        (heads(background=[0, 0, 2]), "datasets.heads.background.2: "),
        (heads(seed=-1), "datasets.heads.seed: "),
        (
            heads(identity_components=50, identities_for_pca=50),
            "datasets.heads: identity_components (50) must be fewer than identities_for_pca (50)",
        ),
        (photographs(crop="face"), "datasets.own.crop: "),
        (photographs(on_bad="ask"), "datasets.own.on_bad: "),
        (photographs(splits={"train": 1}), "datasets.own.splits: train, validation and test"),
        (
            photographs(splits={"train": 0.5, "validation": 0.2, "test": 0.2}),
            "datasets.own.splits: train, validation and test must add up to 1",
        ),
        (
            photographs(splits={"train": 0, "validation": 0.5, "test": 0.5}),
            "datasets.own.splits: train must not be 0",
        ),
        # models
        (model(stages=[]), "models.a.stages: "),
        (model(sampling={"surface": 0}), "models.a: sampling.surface must be at least 1"),
        (model(density_noise={"start": 1}), "models.a: density_noise.start must be 0"),
        (
            model(integrator="density", sampling={"surface": 3}),
            "models.a: sampling.surface must be 0 for the density integrator",
        ),
        (stages({"objective": "warm"}), "models.a.stages.0.objective: "),
        (stages({"objective": "geometric"}), "models.a: stages: objective geometric needs"),
        (stages({"resolution": 16}, {}), "models.a: stages must not shrink in resolution"),
        (
            stages({}, {"resolution": 24}),
            "models.a.stages.1.resolution: must be 4, 8, 16, ...: the discriminator halves",
        ),
        (stages({"resolution": 2048}), "models.a.stages.0.resolution: "),
        (stages({"batch": 8, "micro_batch": 3}), "models.a.stages.0: micro_batch (3) must divide"),
        (
            stages({"batch": 12, "micro_batch": 6}),
            "models.a: stages.0.micro_batch (6) must be a multiple of"
            " discriminator.stddev_group (4), or smaller",
        ),
        (stages({"steps": 0}), "models.a.stages.0.steps: "),
        # the experiment
        ({"seeds": []}, "seeds: "),
        ({"seeds": 3}, "seeds: "),
        ({"seeds": [-1]}, "seeds.0: "),
        ({"seeds": [0, 2**31]}, "seeds.1: "),
        ({"seeds": [1, 2, 1]}, "seeds: one stands twice in [1, 2, 1]"),
        ({"note": "x" * 501}, "note: "),
        ({"metrics": {"seeds": []}}, "metrics.seeds: "),
        ({"metrics": {"seeds": [-1]}}, "metrics.seeds.0: "),
        ({"faces": {"pool": {"seed": -1}}}, "faces.pool.seed: "),
        ({"faces": {"regressors": {"judge": {"seed": -1}}}}, "faces.regressors.judge.seed: "),
        (
            {**model(conditions={}), "faces": {}},
            "faces.pool.resolutions lacks 8, a size of models.a",
        ),
        (
            {**heads(), **model(conditions={})},
            "faces.pool.resolutions lacks 8, a size of models.a",
        ),
    ],
)
def test_what_is_wrong_is_named_by_its_key_in_one_line(values, fault):
    assert refusal(values).startswith(fault)


@pytest.mark.parametrize("name", ["", "a/b", "../../x", "a|.*(", "A", "a" * 42, "a\nb", "a\0", 3])
@pytest.mark.parametrize("section", ["models", "datasets"])
def test_names_that_are_no_names_are_refused(section, name):
    own = {"models": MODEL, "datasets": PHOTOGRAPHS}[section]
    assert refusal({section: {name: own}}).startswith(f"{section}.")


@pytest.mark.parametrize(
    ("section", "name"), [(key, name) for key, names in TAKEN.items() for name in sorted(names)]
)
def test_names_of_folders_are_taken(section, name):
    own = {"models": MODEL, "datasets": PHOTOGRAPHS}[section]
    text = f"{section}: {name!r} is the name of a folder: choose another"
    assert refusal({section: {name: own}}) == text


def test_models_of_a_data_set_exist():
    values = {**heads(models=["a", "b"]), **model()}
    assert refusal(values) == "datasets.heads.models: no 'b'; there are a"
    assert refusal(heads(models=["a"])) == "datasets.heads.models: no 'a'; there are none"


def test_a_data_set_has_images_for_the_stages_trained_on_it():
    values = merged(heads(resolutions=[32]), stages({"resolution": 16}, {"resolution": 64}))
    fault = "datasets.heads.resolutions: none is a multiple of 64, a size of models.a"
    assert refusal(values) == fault
    assert Config.parse(merged(values, heads(resolutions=[32, 64])))
    assert Config.parse(merged(values, heads(models=[]))), "no model is trained on it"


def leaves(part, definitions, at=()):
    """Where numbers stand in a JSON schema: a sample path to each."""
    if "$ref" in part:
        part = definitions[part["$ref"].rsplit("/", 1)[1]]
    for choice in part.get("anyOf", []):
        yield from leaves(choice, definitions, at)
    if part.get("type") in ("number", "integer"):
        yield at
    for name, inner in part.get("properties", {}).items():
        yield from leaves(inner, definitions, (*at, name))
    for inner in (*part.get("patternProperties", {}).values(), part.get("additionalProperties")):
        if isinstance(inner, dict):
            yield from leaves(inner, definitions, (*at, "x"))
    for number, inner in enumerate(part.get("prefixItems", [])):
        yield from leaves(inner, definitions, (*at, number))
    if isinstance(part.get("items"), dict):
        yield from leaves(part["items"], definitions, (*at, 0))


def test_no_number_anywhere_is_infinite_or_beyond_all_sense():
    whole = Config.model_json_schema()
    places = set(leaves(whole, whole["$defs"]))
    assert len(places) > 120  # every number of every section
    assert {("seeds", 0), ("datasets", "x", "camera", "elevation", 1)} <= places
    assert ("models", "x", "field", "logit_scale") in places
    for place in places:
        for value in (float("inf"), float("-inf"), float("nan"), 10**18, -1e300):
            given = value
            for part in reversed(place):
                given = [given] * (part + 1) if isinstance(part, int) else {part: given}
            named = ".".join(str(0 if isinstance(part, int) else part) for part in place)
            assert refusal(given).startswith(f"{named}: {str(value)[:10]}"), place


def test_later_files_change_earlier_ones_key_by_key(tmp_path):
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text("datasets: {heads: {source: heads, train: 5, test: 6}}\nseeds: [1, 2]\n")
    second.write_text("datasets: {heads: {train: 010}}\nseeds: [3]\n")
    config = Config.load(str(first), str(second))
    own = config.dataset("heads", RenderedHeads)
    assert (own.train, own.test, config.seeds) == (10, 6, (3,))
    again = Config.load(str(first), '{"datasets": {"heads": {"test": 7}}}', str(second))
    assert again.dataset("heads", RenderedHeads).test == 7


def test_errors_name_all_the_sources(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("seeds: [1]\n")
    with pytest.raises(ConfigError, match=r"a\.yaml \+ --config: sead: unknown key"):
        Config.load(str(path), '{"sead": 3}')


def test_null_takes_a_data_set_or_a_model_away():
    values = {"datasets": {"one": PHOTOGRAPHS, "two": None}, "models": {"a": MODEL, "b": None}}
    config = Config.parse(values)
    assert (list(config.datasets), list(config.models)) == (["one"], ["a"])


def test_a_data_set_is_asked_for_by_its_kind():
    config = Config.parse(merged(heads(train=7), photographs()))
    assert config.dataset("heads", RenderedHeads).train == 7
    assert config.dataset("own", Photographs).folder == "ph"
    with pytest.raises(ConfigError, match=r"datasets: no 'own' of the kind needed; .*: heads"):
        config.dataset("own", RenderedHeads)
    with pytest.raises(ConfigError, match="there are: none"):
        Config.parse(heads()).dataset("own", Photographs)


def test_what_belongs_to_no_data_set_has_the_camera_of_the_first():
    config = Config.parse(merged(photographs(camera={"fov_deg": 20}), heads()))
    assert config.camera.fov_deg == 20 and Config().camera == Camera()


def test_models_are_trained_on_what_offers_enough():
    both = {"datasets": {"own": PHOTOGRAPHS, "heads": {"source": "heads"}}}
    both["faces"] = {"pool": {"resolutions": [8]}}
    models = {"cgof": {**MODEL, "conditions": {}}, "gof": MODEL, "other": MODEL}
    config = Config.parse({**both, "models": models})
    assert config.models_on("own") == ["gof", "other"]
    assert config.models_on("heads") == ["cgof", "gof", "other"]
    named = merged(both, {"datasets": {"own": {"models": ["other", "cgof"]}}})
    assert Config.parse({**named, "models": models}).models_on("own") == ["other"]


def test_defaults_of_a_data_set_are_those_of_its_source():
    config = Config.parse(merged(heads(), photographs()))
    assert config.datasets["heads"].background == (0.45, 0.55, 0.7)
    assert config.datasets["own"].background == (1.0, 1.0, 1.0)
    assert config.datasets["own"].splits == {"train": 0.9, "validation": 0.05, "test": 0.05}


def test_a_loss_given_in_part_keeps_its_other_defaults():
    plain, given = Conditions(), Conditions(warping={"weight": 2})
    assert given.warping == plain.warping.model_copy(update={"weight": 2.0})
    assert given.warping.from_stage == 2
    with pytest.raises(ValueError, match="wight"):
        Conditions(warping={"wight": 2})


@pytest.mark.parametrize(
    ("metrics", "fault"),
    [
        ({"frechet": {"samples": 1001}}, r"views.count \(1000\) is too few for frechet"),
        ({"views": {"count": 99}, "depth": {"pairs": 100}}, "too few for depth"),
        (
            {"views": {"resolution": 48}, "depth": {"score_resolution": 64}},
            r"multiple of views.resolution \(48\)",
        ),
    ],
)
def test_metrics_fit_the_views_they_look_at(metrics, fault):
    with pytest.raises(ConfigError, match=fault):
        Config.parse({"metrics": metrics})
    # What the rule `views` passes on says nothing of the metrics.
    assert Config.parse({"metrics": {"views": {"count": 2}}}).metrics.views.count == 2


def test_runtime_comes_from_elsewhere_only_where_it_is_not_set():
    other = Config.parse({"runtime": {"log_every": 7}, "tracking": {"enabled": False}})
    mine = Config.parse({"runtime": {"log_every": 3}})
    merged = mine.with_runtime(other)
    assert merged.runtime.log_every == 3
    assert merged.tracking.enabled is False
    assert "tracking" not in mine.model_fields_set
    assert set(json.loads(mine.runtime_only())) == {
        "pathvars",
        "runtime",
        "tracking",
        "track_code",
    }


@pytest.mark.parametrize("file", ["smoke", "desk", "ablations", "paper-cgof", None])
def test_the_configurations_read_back_the_same_once_resolved(file):
    files = ["config.yaml"] + [f"workflow/configs/{file}.yaml"] * (file is not None)
    config = Config.load(*files)
    assert config.models and Config.load(config.model_dump_json()) == config


def test_ablations_differ_from_their_model_in_one_part_each():
    models = Config.load("config.yaml", "workflow/configs/ablations.yaml").models
    wholes = {name: models[name] for name in ("gof", "cgof")}
    variants = {
        name: model
        for name, model in models.items()
        if "_" in name and model.integrator == "occupancy"
    }
    assert len(variants) == 10
    for name, model in variants.items():
        base, whole = model.model_dump(), wholes[name.split("_")[0]].model_dump()
        (section,) = [key for key in whole if base[key] != whole[key]]
        assert section == "conditions" or name.startswith("gof"), name
        changed = [key for key, value in whole[section].items() if base[section][key] != value]
        several = {"cgof_no_landmarks": 2, "gof_wide": 3, "gof_narrow": 2}
        assert len(changed) == several.get(name, 1), name


def test_a_radiance_field_of_as_many_steps_is_compared():
    models = Config.load("config.yaml", "workflow/configs/ablations.yaml").models
    gof, pigan = models["gof"], models["pigan_steps"]
    whole = Config.load("config.yaml").models["pigan"]
    assert pigan.model_copy(update={"stages": whole.stages}) == whole
    assert [(s.resolution, s.steps, s.batch) for s in pigan.stages] == [
        (s.resolution, s.steps, s.batch) for s in gof.stages
    ]


def test_the_schema_knows_every_source_and_field():
    text = schema()
    for word in ("identities_for_pca", "on_bad", "logit_scale", "extends"):
        assert word in text


def test_a_job_by_hand_is_scoped_to_what_it_depends_on():
    whole = Config.parse({"seeds": [1], "samples": {"latents": 3}, "runtime": {"log_every": 9}})
    own = whole.scoped(whole.only("samples"))
    assert own.model_fields_set - RUNTIME_SECTIONS == {"samples"}
    assert (own.samples, own.runtime) == (whole.samples, whole.runtime)


def test_the_schema_takes_every_shipped_file_and_no_wrong_one():
    files = [ROOT / "config.yaml", *sorted((ROOT / "workflow" / "configs").glob("*.yaml"))]
    own = json.loads(schema())
    for file in files:
        jsonschema.validate(read(str(file)), own)
    for wrong in (
        {"sead": 1},
        {"models": {"Gof": {}}},
        {"models": {"gof": {"extends": 3}}},
        {"models": {"gof": {"stages": [{"resolution": 8}]}}},
        {"common": {"field": {"name": "nerf"}}},
        {"datasets": {"heads": {"source": "dogs"}}},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, own)


@pytest.mark.parametrize("value", [True, [True], [0, False]])
def test_true_is_not_one(value):
    with pytest.raises(ConfigError, match=r"seeds: true and false stand for no number"):
        Config.parse({"seeds": value})


def test_a_measurement_by_hand_is_scoped_to_itself():
    config = Config.load(str(ROOT / "config.yaml"))
    own = json.loads(scopes.of_measurement(config, "surface"))
    assert own.keys() == {"metrics"} and own["metrics"].keys() == {"seeds", "split", "surface"}
    own = json.loads(scopes.of_measurement(config, "frechet", "models"))
    assert own.keys() == {"metrics", "models"}
    assert own["metrics"].keys() == {"seeds", "split", "frechet", "views"}
    assert json.loads(scopes.of_measurement(config, "views"))["metrics"].keys() == {
        "seeds",
        "views",
    }
