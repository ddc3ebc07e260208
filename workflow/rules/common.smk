"""What all rules share: the checked configuration, and names."""

import json
import os
from pathlib import Path

from snakemake.exceptions import WorkflowError

from gof.config.errors import ConfigError
from gof.data.assets import assets
from gof.experiment import plan, scopes
from gof.experiment.config import Config
from gof.fields.registry import FIELDS
from gof.metrics.registry import FILES, metrics
from gof.run.provenance import code_hash, metric_code, stage_code
from gof.sources.registry import SOURCES


def configuration():
    """What Snakemake's `config` holds, read by our reader: its own takes 010 for 8 and a key that
    stands twice for one. Files of the command line lie above the workflow's, its values above all.
    """
    if workflow.modifier.skip_configfile:  # we are a module of another workflow
        return Config.parse(config)
    given = workflow.config_settings
    own = workflow.configfiles[len(given.configfiles) :]
    if given.replace_workflow_config and given.overwrite_config:
        own = []
    files = [str(file) for file in (*own, *given.configfiles)]
    return Config.load(*files, json.dumps(dict(given.config)))


try:
    CONFIG = configuration()
except ConfigError as error:
    raise WorkflowError(str(error))

RESULTS = Path(CONFIG.pathvars.get("results", "results"))
REGRESSORS = tuple(type(CONFIG.faces.regressors).model_fields)
METRICS = metrics()
TRAININGS = plan.trainings(CONFIG)
CONDITIONAL = [run for run in TRAININGS if CONFIG.models[run.model].conditions]
FITTED = [dataset for dataset in CONFIG.datasets if plan.is_fitted(CONFIG, dataset)]
# The user's own 3DMM of a data set's faces.
BASEL = {
    name: own.bfm for name, own in CONFIG.datasets.items() if getattr(own, "bfm", None)
}
MEASURED = {dataset: plan.measured(CONFIG, dataset) for dataset in CONFIG.datasets}
# Where further inputs of metrics lie; the floor of references is another model.
METRIC_FILES = {
    "features": "<results>/assets/features.json",
    "head_model": "<results>/{dataset}/model/head_model.npz",
    "statistics": "<results>/{dataset}/faces/fits/statistics.npz",
    "judge": "<results>/{dataset}/faces/regressors/judge/regressor.yaml",
}

# Sizes that do not fit a model are refused before anything runs.
try:
    scopes.check_metrics(CONFIG)
except ConfigError as error:
    raise WorkflowError(str(error))

# Settings that change no result reach the jobs this way, so that no rule reruns for them.
os.environ.update(GOF_RUNTIME=CONFIG.runtime_only())


wildcard_constraints:
    dataset="|".join(CONFIG.datasets) or "none",
    model="|".join(CONFIG.models) or "none",
    seed=r"\d+",
    stage=r"\d+",
    metric="|".join(METRICS),


def code(*modules):
    """What a rule's result depends on in the package: these modules and all they import."""
    return code_hash(*modules) if CONFIG.track_code else "not tracked"


def source_code(dataset):
    return code(SOURCES[CONFIG.datasets[dataset].source].make.__module__)


def training_code(model):
    own = CONFIG.models[model]
    if not CONFIG.track_code:
        return "not tracked"
    return stage_code(own.conditions is not None, FIELDS[own.field.name].module)


def conditions_of(wildcards):
    """What a conditional model trains with; nothing for others."""
    if CONFIG.models[wildcards.model].conditions is None:
        return {}
    return {
        "pool": f"<results>/{wildcards.dataset}/faces/pool/manifest.json",
        "statistics": f"<results>/{wildcards.dataset}/faces/fits/statistics.npz",
        "regressor": f"<results>/{wildcards.dataset}/faces/regressors/teacher/regressor.yaml",
    }


def conditions_options(input):
    """The options that name what `conditions_of` asks for."""
    return named_options(input, "pool", "statistics", "regressor")


def named_options(input, *names):
    """The options that name those of these inputs that a job has."""
    given = [name for name in names if input.get(name)]
    return [
        word for name in given for word in (f"--{name.replace('_', '-')}", input[name])
    ]


def measuring_code(metric):
    return metric_code(METRICS[metric].module) if CONFIG.track_code else "not tracked"


def measured_with(wildcards):
    """What a metric is measured on and with: a generator or its views, and further files; for the
    references, views of an untrained generator and the unconditional one that is the floor.
    """
    metric, model = METRICS[wildcards.metric], getattr(wildcards, "model", None)
    files = {
        name: METRIC_FILES[name].format(dataset=wildcards.dataset)
        for name in metric.files
        if name in METRIC_FILES
    }
    if metric.subject == "views":
        place = f"{model}/seed{wildcards.seed}" if model else "reference"
        files["views"] = f"<results>/{wildcards.dataset}/{place}/views/manifest.json"
    elif model:
        files["generator"] = generator_of(wildcards)
    elif "floor" in metric.files:
        plain = [
            run
            for run in TRAININGS
            if run.dataset == wildcards.dataset and run not in CONDITIONAL
        ]
        if plain:
            files["floor"] = last_stage(*plain[0], "generator.yaml")
    return files


def metric_records(drawn=False):
    """Records of all metrics of all trainings; with `drawn` of those that figures show."""
    return [
        f"{run_folder(*run)}/metrics/{metric.name}.json"
        for run in TRAININGS
        for metric in MEASURED[run.dataset]
        if (run in CONDITIONAL or not metric.conditional)
        and (metric.drawn or not drawn)
    ]


def references():
    """What the metrics of every data set give for known answers."""
    return [
        f"<results>/{dataset}/reference/{metric.name}.json"
        for dataset, own in MEASURED.items()
        for metric in own
    ]


def run_folder(dataset, model, seed):
    return f"<results>/{dataset}/{model}/seed{seed}"


def last_stage(dataset, model, seed, file):
    """A file of the last stage of a training."""
    last = len(CONFIG.models[model].stages) - 1
    return f"{run_folder(dataset, model, seed)}/stage{last}/{file}"


def generator_of(wildcards):
    return last_stage(
        wildcards.dataset, wildcards.model, wildcards.seed, "generator.yaml"
    )


def each_model(file):
    """A file of every training."""
    return [f"{run_folder(*run)}/{file}" for run in TRAININGS]


def each_conditional(file):
    """A file of every training of a conditional model."""
    return [f"{run_folder(*run)}/{file}" for run in CONDITIONAL]


def each_stage(file):
    """A file of every stage of every training."""
    return [
        f"{run_folder(*run)}/stage{stage}/{file}"
        for run in TRAININGS
        for stage in range(len(CONFIG.models[run.model].stages))
    ]


def each_dataset(file):
    """A file of every data set."""
    return [f"<results>/{dataset}/{file}" for dataset in CONFIG.datasets]


def faces_records():
    """Records of the steps that conditional models need."""
    names = ["landmarks/landmarks", "fits/fits", "pool/pool"]
    names += [f"regressors/{name}/regressor" for name in REGRESSORS]
    return [
        f"<results>/{dataset}/faces/{name}.json" for dataset in FITTED for name in names
    ]


def source_of(wildcards):
    return SOURCES[CONFIG.datasets[wildcards.dataset].source]


def source_inputs(wildcards):
    """What a data set's source takes from other steps, and its downloads."""
    source, settings = source_of(wildcards), CONFIG.datasets[wildcards.dataset]
    files = {
        name: f"<results>/{wildcards.dataset}/{file}"
        for name, file in source.inputs.items()
    }
    if downloads := source.assets(settings):
        files["assets"] = [f"<results>/assets/{name}.json" for name in downloads]
    return files


def source_options(wildcards, input):
    options = named_options(input, *source_of(wildcards).inputs)
    return [*options, "--assets", *input.assets] if input.get("assets") else options


def previous_state(wildcards):
    """The state a stage goes on from; none for the first."""
    stage = int(wildcards.stage)
    if stage == 0:
        return []
    folder = run_folder(wildcards.dataset, wildcards.model, wildcards.seed)
    return f"{folder}/stage{stage - 1}/state.safetensors"


def optional(flag, file):
    """A command-line option for an input that not every job of a rule has."""
    return [flag, file] if file else []


def shown(kind, name, suffix):
    """A table or figure with its caption in the report."""
    return report(
        f"<results>/{kind.lower()}/{name}{suffix}",
        caption=f"../report/{name}.rst",
        category=kind,
        labels={"what": name},
    )


def benched():
    """The head model of the first data set that has one, and its first GOF."""
    files = {}
    for name, own in CONFIG.datasets.items():
        if "head_model" in SOURCES[own.source].inputs:
            files["head_model"] = f"<results>/{name}/model/head_model.npz"
            break
    for run in TRAININGS:
        if (
            CONFIG.models[run.model].integrator == "occupancy"
            and run not in CONDITIONAL
        ):
            files["generator"] = last_stage(*run, "generator.yaml")
            break
    return files
