"""What all rules share: the checked configuration, names, and the hooks around a run."""

import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

from snakemake.exceptions import WorkflowError

from gof.experiment.config import Config
from gof.config.reading import ConfigError
from gof.data.verification import RUN as RUN_NAME
from gof.run.files import append_json
from gof.run.job import FOLLOWED
from gof.metrics.registry import FILES
from gof.metrics.registry import lacking
from gof.metrics.registry import metrics
from gof.run.provenance import code_hash
from gof.run.provenance import metric_code
from gof.run.provenance import stage_code
from gof.run.spool import dismiss
from gof.run.spool import follower

try:
    CONFIG = Config.parse(config)
    METRICS = metrics()
except ConfigError as error:
    raise WorkflowError(str(error))

RESULTS = Path(CONFIG.pathvars.get("results", "results"))
REGRESSORS = tuple(type(CONFIG.faces.regressors).model_fields)
TRAININGS = [(model, seed) for model in CONFIG.models for seed in CONFIG.seeds]
CONDITIONAL = [(m, seed) for m, seed in TRAININGS if CONFIG.models[m].conditions]

# What the data set offers; metrics that need more are not measured on it, and tables say so.
OFFERED = ("images", "depth", "normals", "poses", "landmarks", "coefficients")
MEASURED = [
    metric
    for metric in METRICS.values()
    if not lacking(metric, OFFERED) and (CONDITIONAL or not metric.conditional)
]
# Where further inputs of metrics lie; the floor of references is another model.
METRIC_FILES = {
    "features": "<results>/assets/features.json",
    "head_model": "<results>/heads/model/head_model.npz",
    "statistics": "<results>/heads/faces/fits/statistics.npz",
    "judge": "<results>/heads/faces/regressors/judge/regressor.yaml",
}

# Sizes that do not fit a model are refused before anything runs.
try:
    [CONFIG.for_metric(m.name, name) for m in MEASURED for name in (None, *CONFIG.models)]
except ConfigError as error:
    raise WorkflowError(str(error))

# Settings that change no result reach the jobs this way, so that no rule reruns for them.
os.environ.update(GOF_RUNTIME=CONFIG.runtime_only())


wildcard_constraints:
    model="|".join(CONFIG.models) or "none",
    seed=r"\d+",
    stage=r"\d+",
    metric="|".join(METRICS),


def code(*modules):
    """What a rule's result depends on in the package: these modules and all they import."""
    return code_hash(*modules) if CONFIG.track_code else "not tracked"


def training_code(model):
    conditional = CONFIG.models[model].conditions is not None
    return stage_code(conditional) if CONFIG.track_code else "not tracked"


def conditions_of(wildcards):
    """What a conditional model trains with; nothing for others."""
    if CONFIG.models[wildcards.model].conditions is None:
        return {}
    return {
        "pool": "<results>/heads/faces/pool/manifest.json",
        "statistics": "<results>/heads/faces/fits/statistics.npz",
        "regressor": "<results>/heads/faces/regressors/teacher/regressor.yaml",
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
    files = {name: METRIC_FILES[name] for name in metric.files if name in METRIC_FILES}
    if metric.subject == "views":
        place = f"{model}/seed{wildcards.seed}" if model else "reference"
        files["views"] = f"<results>/heads/{place}/views/manifest.json"
    elif model:
        files["generator"] = generator_of(wildcards)
    elif "floor" in metric.files and "gof" in CONFIG.models:
        if not CONFIG.models["gof"].conditions:
            files["floor"] = last_stage("gof", CONFIG.seeds[0], "generator.yaml")
    return files


def metric_records(metrics):
    """Records of these metrics of all trainings."""
    return [
        f"<results>/heads/{model}/seed{seed}/metrics/{metric.name}.json"
        for conditional, trainings in ((False, TRAININGS), (True, CONDITIONAL))
        for model, seed in trainings
        for metric in metrics
        if metric.conditional == conditional
    ]


def reasons():
    """Of every table: which of its columns were not measured, and why."""
    found = {}
    for metric in METRICS.values():
        if why := lacking(metric, OFFERED):
            found.setdefault(metric.table, {})[metric.titles] = why
    return found


def stage_folder(model, seed, stage):
    return f"<results>/heads/{model}/seed{seed}/stage{stage}"


def last_stage(model, seed, file):
    """A file of the last stage of a training."""
    return f"{stage_folder(model, seed, len(CONFIG.models[model].stages) - 1)}/{file}"


def generator_of(wildcards):
    return last_stage(wildcards.model, wildcards.seed, "generator.yaml")


def each_model(file):
    """A file of every training."""
    return [f"<results>/heads/{model}/seed{seed}/{file}" for model, seed in TRAININGS]


def each_conditional(file):
    """A file of every training of a conditional model."""
    return [f"<results>/heads/{model}/seed{seed}/{file}" for model, seed in CONDITIONAL]


def each_stage(file):
    """A file of every stage of every training."""
    return [
        f"{stage_folder(model, seed, stage)}/{file}"
        for model, seed in TRAININGS
        for stage in range(len(CONFIG.models[model].stages))
    ]


def faces_records():
    """Records of the steps that conditional models need."""
    if not CONDITIONAL:
        return []
    names = ["landmarks/landmarks", "fits/fits", "pool/pool"]
    names += [f"regressors/{name}/regressor" for name in REGRESSORS]
    return [f"<results>/heads/faces/{name}.json" for name in names]


def previous_state(wildcards):
    """The state a stage goes on from; none for the first."""
    stage = int(wildcards.stage)
    if stage == 0:
        return []
    return (
        f"{stage_folder(wildcards.model, wildcards.seed, stage - 1)}/state.safetensors"
    )


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


def start_run():
    """Name the run, and have one process mirror all its jobs into MLflow, from their files."""
    run = {"start": time.time()}
    os.environ.update({RUN_NAME: uuid.uuid4().hex})  # shards are hashed once in it
    if CONFIG.tracking.enabled:
        os.environ.update({FOLLOWED: "1"})
        run["follower"] = follower([RESULTS], RESULTS, CONFIG.runtime_only())
    return run


def end_run(run):
    if "follower" in run:
        dismiss(run["follower"], CONFIG.tracking.wait_s)


def note_run(run, jobs):
    """Keep how long a run took; the README's figures come from here."""
    entry = {
        "ended": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "jobs": jobs,
        "cores": workflow.cores,
        "wall_s": round(time.time() - run["start"], 1),
    }
    append_json(RESULTS / "runs.jsonl", entry)


def write_report():
    """`snakemake --report`, called as this run was called."""
    call = [sys.executable, "-m", "snakemake", *sys.argv[1:]]
    page = RESULTS / "report.html"
    done = subprocess.run([*call, "--report", page], capture_output=True, text=True)
    if done.returncode:
        print(f"no report: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)


RUN = {}


onstart:
    RUN.update(start_run())


onsuccess:
    end_run(RUN)
    note_run(RUN, workflow.scheduler.finished_jobs)
    if any(job.rule.name == "all" for job in workflow.dag.jobs):
        write_report()


onerror:
    end_run(RUN)
