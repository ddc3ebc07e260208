"""What all rules share: the checked configuration, names, and the hooks around a run."""

import os
import subprocess
import sys
import time
from pathlib import Path

from snakemake.exceptions import WorkflowError

from gof.config.reading import read
from gof.experiment import scopes
from gof.experiment.config import Config
from gof.fields.registry import FIELDS
from gof.config.reading import ConfigError
from gof.run.files import append_json
from gof.run.job import FOLLOWED
from gof.metrics.settings import VIEWED
from gof.run.provenance import code_hash
from gof.run.provenance import metric_code
from gof.run.provenance import stage_code
from gof.sources.registry import SOURCES
from gof.run.spool import dismiss
from gof.sources.registry import SOURCES
from gof.run.spool import follower

try:
    # The files again: Snakemake's reader lets pass what ours refuses.
    for source in map(str, workflow.configfiles):
        read(source)
    CONFIG = Config.parse(config)
except ConfigError as error:
    raise WorkflowError(str(error))

RESULTS = Path(CONFIG.pathvars.get("results", "results"))
REGRESSORS = tuple(type(CONFIG.faces.regressors).model_fields)
METRICS = ("frechet", "surface", "depth")
CONTROL = ("disentanglement", "shape", "landmarks")  # of conditional models
TRAININGS = scopes.trainings(CONFIG)
CONDITIONAL = [run for run in TRAININGS if CONFIG.models[run.model].conditions]
# Data sets whose coefficients are needed.
FITTED = list(dict.fromkeys(run.dataset for run in CONDITIONAL))

# Settings that change no result reach the jobs this way, so that no rule reruns for them.
os.environ.update(GOF_RUNTIME=CONFIG.runtime_only())


wildcard_constraints:
    dataset="|".join(CONFIG.datasets) or "none",
    model="|".join(CONFIG.models) or "none",
    seed=r"\d+",
    stage=r"\d+",
    metric="|".join((*METRICS, *CONTROL)),


def code(*modules):
    """What a rule's result depends on in the package: these modules and all they import."""
    return code_hash(*modules) if CONFIG.track_code else "not tracked"


def source_code(dataset):
    return code(f"gof.sources.{CONFIG.datasets[dataset].source}")


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


def metric_config(metric):
    return scopes.of_metric(CONFIG, metric, *(["views"] if metric in VIEWED else []))


def reference_config(dataset, metric):
    if metric == "surface":
        return scopes.of_untrained(CONFIG, dataset, metric)
    return metric_config(metric)


def metrics_of(dataset):
    """The metrics that a data set offers enough for."""
    offered = scopes.offers(CONFIG, dataset)
    return [name for name in METRICS if name != "depth" or "depth" in offered]


def measuring_code(metric):
    return metric_code(metric in CONTROL) if CONFIG.track_code else "not tracked"


def faces_of_metric(wildcards):
    """What a metric of control is measured with; nothing for others."""
    if wildcards.metric not in CONTROL:
        return {}
    files = {
        "head_model": f"<results>/{wildcards.dataset}/model/head_model.npz",
        "statistics": f"<results>/{wildcards.dataset}/faces/fits/statistics.npz",
    }
    if wildcards.metric != "shape":
        files["judge"] = (
            f"<results>/{wildcards.dataset}/faces/regressors/judge/regressor.yaml"
        )
    return files


def faces_of_reference(wildcards):
    """The same, and the unconditional generator that is the floor of control."""
    files = faces_of_metric(wildcards)
    floor = next(
        (
            run
            for run in TRAININGS
            if run.dataset == wildcards.dataset
            and not CONFIG.models[run.model].conditions
        ),
        None,
    )
    if files and floor:
        files["floor"] = last_stage(*floor, "generator.yaml")
    return files


def run_folder(dataset, model, seed):
    return f"<results>/{dataset}/{model}/seed{seed}"


def last_stage(dataset, model, seed, file):
    """A file of the last stage of a training."""
    last = len(CONFIG.models[model].stages) - 1
    return f"{run_folder(dataset, model, seed)}/stage{last}/{file}"


def views_of(wildcards):
    """The views a metric looks at; for the references, those of an untrained generator."""
    if wildcards.metric not in VIEWED:
        return []
    model = getattr(wildcards, "model", None)
    place = f"{model}/seed{wildcards.seed}" if model else "reference"
    return f"<results>/{wildcards.dataset}/{place}/views/manifest.json"


def measured_generator(wildcards):
    """The generator a metric looks at, unless it looks at views."""
    return [] if wildcards.metric in VIEWED else generator_of(wildcards)


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


def all_metrics():
    """Every metric of every training, by metric."""
    return [
        f"{run_folder(*run)}/metrics/{metric}.json"
        for metric in METRICS
        for run in TRAININGS
        if metric in metrics_of(run.dataset)
    ]


def all_references():
    """What the metrics of every data set give for known answers."""
    return [
        f"<results>/{dataset}/reference/{metric}.json"
        for dataset in CONFIG.datasets
        for metric in (
            *metrics_of(dataset),
            *(CONTROL if dataset in FITTED else ()),
        )
    ]


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
    """What a data set's source takes from other steps."""
    files = source_of(wildcards).inputs
    return {
        name: f"<results>/{wildcards.dataset}/{file}" for name, file in files.items()
    }


def source_options(wildcards, input):
    return named_options(input, *source_of(wildcards).inputs)


def previous_state(wildcards):
    """The state a stage goes on from; none for the first."""
    stage = int(wildcards.stage)
    if stage == 0:
        return []
    folder = run_folder(wildcards.dataset, wildcards.model, wildcards.seed)
    return f"{folder}/stage{stage - 1}/state.safetensors"


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
    """One process mirrors all jobs of this run into MLflow, from their files."""
    run = {"start": time.time()}
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
