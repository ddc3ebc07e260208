"""`gof evaluate`: one metric of one generator, or what the metric gives for known answers; rows and
their columns for the tables."""

from __future__ import annotations

from gof.data.manifest import load_manifest
from gof.experiment import scopes
from gof.experiment.config import Config
from gof.metrics.context import Context
from gof.metrics.jobs import EvaluateJob
from gof.metrics.registry import FILES, METRICS, OPTIONAL_FILES, Metric
from gof.metrics.section import MetricSection, sized
from gof.run import machine
from gof.run.files import InputError, say
from gof.run.job import job
from gof.run.target import placed


def run_evaluate(config: Config, wanted: EvaluateJob) -> None:
    """Measure and write the record `wanted.out` with `rows` and `columns`. Raises InputError for
    what cannot be used."""
    metric = METRICS[wanted.metric]
    _check(wanted, metric)
    record = placed(wanted.out, f"{metric.name}.json")
    others = ("models",) if wanted.reference else ()
    config = config.scoped(scopes.of_measurement(config, metric.name, *others))
    with job(record, "evaluate", config, wanted.inputs()) as running:
        manifest, seen = load_manifest(wanted.data), None
        if wanted.views is not None:
            seen = load_manifest(wanted.views)
            manifest.must_be_seen_by(wanted.views, seen.camera, seen.background)
        context = Context(
            config,
            manifest,
            machine.device(),
            wanted.generator,
            seen,
            wanted.reference,
            wanted.untrained,
            wanted.files(),
        )
        numbers = metric.measure(context, _settings(context, metric))
        running.numbers = {**numbers, "columns": metric.described()}
        for one in numbers["rows"]:
            value, spread = one["value"], one["spread"]
            say(f"{one['model']}: {one['metric']} {value:.4g} +- {spread:.2g} (n {one['n']})")


def _settings(context: Context, metric: Metric[MetricSection]) -> MetricSection:
    """The section of a metric, with sizes for what is measured."""
    section = context.config.metrics.section(metric.name)
    return sized(metric.name, section, context.size, context.manifest.resolutions)


def _check(wanted: EvaluateJob, metric: Metric[MetricSection]) -> None:
    """Raise InputError for a subject that the metric does not look at, and for files it lacks."""
    viewed = metric.subject == "views"
    if viewed and (wanted.views is None or wanted.generator is not None):
        raise InputError(f"{metric.name}: measured on --views, a manifest of `gof views`")
    if wanted.views is not None and not viewed:
        raise InputError(f"{metric.name}: measured on a generator, not on --views")
    if not viewed and wanted.reference == (wanted.generator is not None):
        raise InputError(f"{metric.name}: give either --generator FILE or --reference")
    given = wanted.files()
    absent = [name for name in metric.files if name not in (*given, *OPTIONAL_FILES)]
    if absent:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in absent)
        kinds = ", ".join(FILES[name] for name in absent)
        raise InputError(f"{options}: needed for the metric {metric.name}: {kinds}")
