"""What an experiment comes to: which models meet which data sets, and what is measured of them. A
model, and a metric, meets every data set that offers what it needs."""

from __future__ import annotations

from typing import Any, NamedTuple

from gof.experiment.config import Config, Reasons
from gof.metrics.registry import Metric, lacking, metrics


class TrainingRun(NamedTuple):
    """One training: a model on a data set, from a seed."""

    dataset: str
    model: str
    seed: int


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
        offered, present = config.offers(dataset), config.models_on(dataset)
        for name, model in config.models.items():
            if name not in present:
                lacks = ", ".join(sorted(model.needs - offered))
                why = f"{dataset} offers no {lacks}" if lacks else f"not among {dataset}'s models"
                found.setdefault(dataset, {})[name] = why
    return found


def is_fitted(config: Config, dataset: str) -> bool:
    """Whether a data set's 3DMM fits are needed: a conditional model is trained on it."""
    return any(config.models[name].conditions for name in config.models_on(dataset))


def measured(config: Config, dataset: str) -> list[Metric[Any]]:
    """Metrics that are measured on a data set, in the order of the tables."""
    offered, fitted = config.offers(dataset), is_fitted(config, dataset)
    return [
        metric
        for metric in metrics().values()
        if not lacking(metric, offered) and (fitted or not metric.wants_faces)
    ]


def reasons(config: Config) -> Reasons:
    """Why models, and columns of tables, were not measured on data sets."""
    found: Reasons = {name: {"comparison": dict(why)} for name, why in left_out(config).items()}
    for dataset in config.datasets:
        for metric in metrics().values():
            if why := lacking(metric, config.offers(dataset)):
                found.setdefault(dataset, {}).setdefault(metric.table, {})[metric.titles] = why
    return found
