"""What each step of the workflow depends on, as the JSON that its rule passes on: a step reruns for
nothing else. And which steps there are: models meet the data sets that offer what they need."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from gof.experiment.config import Config
from gof.sources.registry import SOURCES


class TrainingRun(NamedTuple):
    """One training: a model on a data set, from a seed."""

    dataset: str
    model: str
    seed: int


def offers(config: Config, dataset: str) -> set[str]:
    """What a data set offers (`gof.data.settings.OFFERS`)."""
    return set(SOURCES[config.datasets[dataset].source].offers)


def trainings(config: Config) -> list[TrainingRun]:
    """All trainings of the experiment."""
    return [
        TrainingRun(dataset, model, seed)
        for dataset in config.datasets
        for model in config.models_on(dataset)
        for seed in config.seeds
    ]


def left_out(config: Config) -> dict[str, dict[str, str]]:
    """Why models are not trained on data sets: a reason by data set and model."""
    found: dict[str, dict[str, str]] = {}
    for dataset in config.datasets:
        offered, present = offers(config, dataset), config.models_on(dataset)
        for name, model in config.models.items():
            if name not in present:
                lacks = ", ".join(sorted(model.needs - offered))
                why = f"{dataset} offers no {lacks}" if lacks else f"not among {dataset}'s models"
                found.setdefault(dataset, {})[name] = why
    return found


def of_dataset(config: Config, name: str) -> str:
    """A data set: not which models are trained on it."""
    chosen = set(type(config.datasets[name]).model_fields) - {"models"}
    return config.model_dump_json(include={"datasets": {name: chosen}})


def of_head_model(config: Config, name: str) -> str:
    """A head model: not how many images are rendered from it."""
    chosen = {"source", "identity_components", "identities_for_pca", "seed"}
    return config.model_dump_json(include={"datasets": {name: chosen}})


def of_faces(config: Config, part: str) -> str:
    """One step of the face pipeline: its own part of `faces`."""
    return config.model_dump_json(include={"faces": {part}})


def of_regressor(config: Config, name: str) -> str:
    """One face regressor: its own section."""
    return config.model_dump_json(include={"faces": {"regressors": {name}}})


def of_metric(config: Config, *parts: str) -> str:
    """One metric: these sections and the evaluation seeds."""
    return config.model_dump_json(include={"metrics": {"seeds", *parts}})


def of_untrained(config: Config, dataset: str, part: str) -> str:
    """A metric of a network before training, or its views: the first unconditional model's, as GOF
    whatever it is trained as."""
    scope = json.loads(of_metric(config, part))
    names = [name for name in config.models_on(dataset) if not config.models[name].conditions]
    for name in names[:1]:
        model = config.models[name]
        parts = dict.fromkeys(("field", "mapping", "start_shape"), True)
        chosen: dict[str, Any] = {**parts, "training": {"truncation_latents"}}
        last = {"resolution": model.stages[-1].resolution, "steps": 1}
        own = {"integrator": "occupancy", "stages": [last]}
        scope["models"] = {name: model.model_dump(mode="json", include=chosen) | own}
    return json.dumps(scope, separators=(",", ":"))


def of_stage(config: Config, model: str, stage: int) -> str:
    """Stage number `stage` of a model: later stages and other models are left out."""
    upto = config.models[model].upto(stage)
    return config.model_copy(update={"models": {model: upto}}).only("models")
