"""What each step of the workflow depends on, as the JSON that its rule passes on: a step reruns for
nothing else."""

from __future__ import annotations

import json
from typing import Any

from gof.experiment import plan
from gof.experiment.config import Config, Reasons
from gof.metrics.registry import METRICS


def of_dataset(config: Config, name: str) -> str:
    """A data set: not which models are trained on it."""
    chosen = set(type(config.datasets[name]).model_fields) - {"models"}
    return config.model_dump_json(include={"datasets": {name: chosen}})


def of_head_model(config: Config, name: str) -> str:
    """A head model: not how many images are rendered from it, or are there of it."""
    if config.datasets[name].found:
        return config.model_dump_json(include={"datasets": {name}})
    chosen = {"source", "identity_components", "identities_for_pca", "seed"}
    return config.model_dump_json(include={"datasets": {name: chosen}})


def of_faces(config: Config, part: str) -> str:
    """One step of the face pipeline: its own part of `faces`."""
    return config.model_dump_json(include={"faces": {part}})


def of_regressor(config: Config, name: str) -> str:
    """One face regressor: its own section."""
    return config.model_dump_json(include={"faces": {"regressors": {name}}})


def of_metric(config: Config, dataset: str, metric: str, model: str | None = None) -> str:
    """A metric of a model, or with None of the references: its section, evaluation seeds and the
    split, with the sizes that follow the model's. Raises ConfigError."""
    how = METRICS[metric]
    scope = of_measurement(_sized(config, dataset, metric, model), metric)
    fresh = model is None and how.subject == "generator" and not how.conditional
    return _with_untrained(config, dataset, scope) if fresh else scope


def check_metrics(config: Config) -> None:
    """Raises ConfigError where a size of a metric does not fit a model or a data set."""
    for dataset in config.datasets:
        for metric in plan.measured(config, dataset):
            for model in (None, *config.models_on(dataset)):
                of_metric(config, dataset, metric.name, model)


def of_measurement(config: Config, metric: str, *others: str) -> str:
    """A metric, or `views`, with sizes as they stand; beside it these sections."""
    viewed = metric == "views" or METRICS[metric].subject == "views"
    parts = {"seeds", metric, *(("views",) if viewed else ())}
    if metric != "views":
        parts.add("split")
    chosen: dict[str, Any] = {"metrics": parts, **dict.fromkeys(others, True)}
    return config.model_dump_json(include=chosen)


def of_views(config: Config, dataset: str, model: str | None = None) -> str:
    """The views of a model, or with None those of an untrained one. Raises ConfigError."""
    scope = of_measurement(_sized(config, dataset, None, model), "views")
    return _with_untrained(config, dataset, scope) if model is None else scope


def _sized(config: Config, dataset: str, metric: str | None, model: str | None) -> Config:
    """The configuration with sizes that are left open set: to that of a model's last stage, for
    references to the largest among the data set's models."""
    names = [model] if model else config.models_on(dataset)
    size = max((config.models[name].stages[-1].resolution for name in names), default=None)
    metrics = config.metrics.at(metric, size, config.datasets[dataset].resolutions)
    return config.model_copy(update={"metrics": metrics})


def _with_untrained(config: Config, dataset: str, scope: str) -> str:
    """A scope with the data set's first unconditional model, as GOF whatever it is trained as."""
    values = json.loads(scope)
    names = [name for name in config.models_on(dataset) if not config.models[name].conditions]
    for name in names[:1]:
        model = config.models[name]
        parts = dict.fromkeys(("field", "mapping", "start_shape"), True)
        chosen: dict[str, Any] = {**parts, "training": {"truncation_latents"}}
        last = {"resolution": model.stages[-1].resolution, "steps": 1}
        own = {"integrator": "occupancy", "stages": [last]}
        values["models"] = {name: model.model_dump(mode="json", include=chosen) | own}
    return json.dumps(values, separators=(",", ":"))


def of_tables(config: Config, reasons: Reasons) -> str:
    """What the tables say besides numbers: the note, and reasons for what was not measured."""
    return config.model_copy(update={"reasons": reasons}).only("note", "reasons")


def of_stage(config: Config, model: str, stage: int) -> str:
    """Stage number `stage` of a model: later stages and other models are left out."""
    return config.upto(model, stage).only("models")
