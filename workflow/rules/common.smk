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
from gof.metrics.settings import VIEWED
from gof.run.provenance import code_hash
from gof.run.provenance import metric_code
from gof.run.provenance import stage_code
from gof.run.spool import dismiss
from gof.run.spool import follower

try:
    CONFIG = Config.parse(config)
except ConfigError as error:
    raise WorkflowError(str(error))

RESULTS = Path(CONFIG.pathvars.get("results", "results"))
REGRESSORS = tuple(type(CONFIG.faces.regressors).model_fields)
METRICS = ("frechet", "surface", "depth")
CONTROL = ("disentanglement", "shape", "landmarks")  # of conditional models
TRAININGS = [(model, seed) for model in CONFIG.models for seed in CONFIG.seeds]
CONDITIONAL = [(m, seed) for m, seed in TRAININGS if CONFIG.models[m].conditions]

# Settings that change no result reach the jobs this way, so that no rule reruns for them.
os.environ.update(GOF_RUNTIME=CONFIG.runtime_only())


wildcard_constraints:
    model="|".join(CONFIG.models) or "none",
    seed=r"\d+",
    stage=r"\d+",
    metric="|".join((*METRICS, *CONTROL)),


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


def metric_config(metric):
    return CONFIG.for_metric(metric, *(["views"] if metric in VIEWED else []))


def reference_config(metric):
    return (
        CONFIG.for_untrained(metric) if metric == "surface" else metric_config(metric)
    )


def measuring_code(metric):
    return metric_code(metric in CONTROL) if CONFIG.track_code else "not tracked"


def faces_of_metric(wildcards):
    """What a metric of control is measured with; nothing for others."""
    if wildcards.metric not in CONTROL:
        return {}
    files = {
        "head_model": "<results>/heads/model/head_model.npz",
        "statistics": "<results>/heads/faces/fits/statistics.npz",
    }
    if wildcards.metric != "shape":
        files["judge"] = "<results>/heads/faces/regressors/judge/regressor.yaml"
    return files


def faces_of_reference(wildcards):
    """The same, and the unconditional generator that is the floor of control."""
    files = faces_of_metric(wildcards)
    if files and "gof" in CONFIG.models and not CONFIG.models["gof"].conditions:
        files["floor"] = last_stage("gof", CONFIG.seeds[0], "generator.yaml")
    return files


def stage_folder(model, seed, stage):
    return f"<results>/heads/{model}/seed{seed}/stage{stage}"


def last_stage(model, seed, file):
    """A file of the last stage of a training."""
    return f"{stage_folder(model, seed, len(CONFIG.models[model].stages) - 1)}/{file}"


def views_of(wildcards):
    """The views a metric looks at; for the references, those of an untrained generator."""
    if wildcards.metric not in VIEWED:
        return []
    model = getattr(wildcards, "model", None)
    place = f"{model}/seed{wildcards.seed}" if model else "reference"
    return f"<results>/heads/{place}/views/manifest.json"


def measured_generator(wildcards):
    """The generator a metric looks at, unless it looks at views."""
    return [] if wildcards.metric in VIEWED else generator_of(wildcards)


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


def needs_features(wildcards):
    """The weights of the feature network, for the metric that uses them."""
    return "<results>/assets/features.json" if wildcards.metric == "frechet" else []


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
