"""What the workflow would do, without doing it."""

import json
import re
from types import SimpleNamespace

import pytest
from PIL import Image

from gof.data.manifest import load_manifest
from gof.experiment.config import Config
from gof.experiment.schema import schema
from gof.report.readme import rule_graph

JOBS = {
    "download": 2,
    "head_model": 1,
    "dataset": 1,
    "landmarks": 1,
    "fits": 1,
    "pool": 1,
    "regressor": 2,
    "train": 9,
    "samples": 3,
    "mesh": 3,
    "views": 3,
    "untrained_views": 1,
    "evaluate": 24,
    "reference": 10,
    "show_control": 1,
    "tables": 1,
    "figures": 1,
}
CONFIGS = ("smoke", "desk", "night", "gpu")


@pytest.mark.parametrize("name", CONFIGS)
def test_shipped_configurations_are_valid_and_keep_out_of_the_real_results(here, name):
    files = [here.folder / "config.yaml", here.folder / "workflow" / "configs" / f"{name}.yaml"]
    config = Config.load(*map(str, files))
    assert config.pathvars["results"] == f"results-{name}"
    assert set(config.models) == {"gof", "pigan", "cgof"}


@pytest.mark.parametrize("name", ["celeba", "cats", "bfm", "carla"])
def test_presets_of_the_paper_train_on_photographs_alone(here, name):
    jobs = here.plan("--configfile", f"workflow/configs/paper-{name}.yaml").jobs
    assert (jobs["dataset"], jobs["train"], jobs["samples"]) == (1, 6, 2)
    assert not jobs.keys() & {"head_model", "pool", "fits", "regressor", "show_control"}


@pytest.mark.parametrize("name", ["desk", "night", "gpu"])
def test_longer_runs_can_be_planned(here, name):
    jobs = here.plan("--configfile", f"workflow/configs/{name}.yaml").jobs
    assert jobs["samples"] == 3 and jobs["evaluate"] == JOBS["evaluate"]


def test_schema_file_is_that_of_the_code(here):
    path = here.folder / "workflow" / "schemas" / "config.schema.json"
    assert path.read_text() == schema(), "run: gof schema > workflow/schemas/config.schema.json"


def test_default_plan(copied):
    assert copied.plan().jobs == JOBS


def test_smoke_plan_has_every_step_and_its_own_folder(copied):
    done = copied.plan("--configfile", "workflow/configs/smoke.yaml")
    assert done.jobs == JOBS | {"train": 7}  # its stages are fewer
    outputs = re.findall(r"^ +(?:output|log): (.+)$", done.text, re.M)
    files = [file for line in outputs for file in line.split(", ")]
    assert len(files) > 60
    assert all(file.startswith("results-smoke/") for file in files)


def test_seeds_multiply_trainings_and_not_the_data(copied):
    jobs = copied.plan("--config", "seeds=[0,1,2]").jobs
    assert jobs["train"] == 27
    assert (jobs["views"], jobs["evaluate"]) == (9, 72)
    assert (jobs["dataset"], jobs["regressor"], jobs["reference"]) == (1, 2, 10)


def test_without_a_conditional_model_there_is_no_face_pipeline(copied):
    (copied.folder / "without.yaml").write_text("models: {cgof: null}")
    jobs = copied.plan("--configfile", "without.yaml").jobs
    faces = {"landmarks", "fits", "pool", "regressor", "show_control"}
    assert jobs == {
        **{name: count for name, count in JOBS.items() if name not in faces},
        "train": 6,
        "samples": 2,
        "mesh": 2,
        "views": 2,
        "evaluate": 12,
        "reference": 6,
    }


TOY = """from __future__ import annotations

from gof.metrics.registry import Metric
from gof.metrics.section import MetricSection
from gof.run.columns import Column


class Toy(MetricSection):
    count: int = 3


def measure(context, settings):
    return {"rows": []}


METRIC = Metric("toy", Toy, "comparison", (Column("toy", "toy"),), measure)
"""


def test_a_metric_is_one_file(copied):
    (copied.folder / "gof" / "metrics" / "toy.py").write_text(TOY)
    done = copied.plan("--config", "metrics={toy: {count: 4}}")
    assert done.jobs == JOBS | {"evaluate": 27, "reference": 11}
    call = r"exec gof evaluate --metric toy --config \S+count\S+ --data \S+ --generator \S+ +--out"
    assert len(re.findall(call, done.text)) == 3


def test_a_metric_that_needs_more_than_the_data_set_offers_is_not_planned(copied):
    source = copied.folder / "gof" / "sources" / "heads.py"
    text = source.read_text()
    assert text.count("RenderedHeads, OFFERS,") == 1
    without = 'RenderedHeads, tuple(set(OFFERS) - {"depth"}),'
    source.write_text(text.replace("RenderedHeads, OFFERS,", without))
    done = copied.plan()
    assert done.jobs == JOBS | {"evaluate": 21, "reference": 9}
    assert "the data set offers no depth" in done.text
    assert "--metric depth" not in done.text


@pytest.mark.parametrize(
    "name", ['it\'s "odd"; $(touch hacked) `touch hacked` & é {x} %d', "two\nlines", "x" * 200]
)
def test_a_folder_of_any_name_is_prepared_and_nothing_in_it_is_run(copied, name):
    folder = copied.folder / name
    folder.mkdir()
    for number in range(30):
        Image.new("RGB", (40, 40), (8 * number, 0, 99)).save(
            folder / f"{number} $(touch hacked).png"
        )
    odd = copied.folder / "odd.yaml"
    odd.write_text(json.dumps({"datasets": {"photographs": {"folder": name}}}))
    files = [f"workflow/configs/{file}.yaml" for file in ("smoke", "photographs")]
    target = "results-photographs/photographs/data/manifest.json"
    done = copied.run(target, "--cores", "1", "--configfile", *files, "odd.yaml")
    assert done.status == 0, done.text[-3000:]
    manifest = load_manifest(copied.folder / target)
    assert sum(split.count for split in manifest.splits.values()) == 30
    assert not list(copied.folder.rglob("hacked"))


def test_a_size_that_fits_no_model_is_refused_before_anything_runs(copied):
    done = copied.plan("--config", "metrics={depth: {score_resolution: 48}}")
    assert done.status != 0 and "Traceback" not in done.text
    assert "score_resolution (48) must be a multiple of views.resolution (32)" in done.text
    done = copied.plan("--config", "metrics={depth: {score_resolution: 96}}")
    assert done.status != 0 and "(96) is no size that the data set stores (64, 128)" in done.text


def test_faces_are_fitted_with_the_head_model_or_with_a_basel_face_model(copied):
    (copied.folder / "photographs").mkdir()
    own = ("--configfile", "workflow/configs/faces.yaml")
    plain = copied.plan(*own).jobs
    assert (plain["head_model"], plain["download"], plain["fits"], plain["landmarks"]) == (
        1,
        2,
        1,
        1,
    )
    assert plain["train"] == JOBS["train"] and "bfm" not in plain
    (copied.folder / "bfm.mat").touch()
    done = copied.plan(*own, "--config", "datasets={faces: {bfm: bfm.mat}}")
    assert done.jobs["bfm"] == 1 and "head_model" not in done.jobs
    assert "gof bfm --config '{}' --mat bfm.mat" in done.text
    others = {name: count for name, count in plain.items() if name != "head_model"}
    assert done.jobs == others | {"bfm": 1, "download": 1}


def test_the_bench_is_a_target_of_its_own(copied):
    assert "bench" not in JOBS
    done = copied.plan("bench")
    assert (done.jobs["bench"], done.jobs["head_model"], done.jobs["train"]) == (1, 1, 3)
    assert re.search(r"rule bench:.*?threads: 2$", done.text, re.S | re.M)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("sead=3", "sead: unknown key, got 3"),
        ("datasets={heads: {train: 0}}", "datasets.heads.train: "),
        ("datasets={heads: {train: many}}", "datasets.heads.train: "),
        ("camera={near: 1.2}", "camera: "),
    ],
)
def test_a_wrong_configuration_is_one_line_that_names_the_key(copied, words, line):
    done = copied.plan("--config", words)
    assert done.status != 0
    assert len([text for text in done.text.splitlines() if line in text]) == 1
    assert "Traceback" not in done.text


def test_files_are_read_as_yaml_1_2_and_lie_on_each_other(copied):
    (copied.folder / "one.yaml").write_text("datasets: {heads: {train: 0400, test: 20}}\n")
    (copied.folder / "two.yaml").write_text("datasets: {heads: {test: 030}}\n")
    changed = ("--config", "datasets={heads: {validation: 050}}")
    done = copied.plan("--configfile", "one.yaml", "two.yaml", *changed)
    (call,) = re.findall(r"exec gof dataset --config '(\S+)'", done.text)
    own = json.loads(call)["datasets"]["heads"]
    assert (own["train"], own["test"], own["seed"]) == (400, 30, 0)
    assert own["validation"] == 50


def test_a_file_with_a_key_twice_is_refused(copied):
    (copied.folder / "twice.yaml").write_text("seeds: [0]\nseeds: [1]\n")
    done = copied.plan("--configfile", "twice.yaml")
    assert done.status != 0 and "Traceback" not in done.text
    assert "twice.yaml: not valid: line 2: found duplicate key" in done.text


def test_rule_graph_in_the_docs_is_that_of_the_workflow(here, monkeypatch):
    monkeypatch.chdir(here.folder)
    text = (here.folder / "docs" / "architecture.md").read_text()
    block = re.search(r"<!-- rules -->\n(.*?)\n<!-- /rules -->", text, re.S)
    assert block and block[1] == rule_graph(), "run: gof readme"


def test_table_note_of_the_smoke_run(here):
    text = (here.folder / "workflow" / "configs" / "smoke.yaml").read_text()
    assert 'note: "smoke run: numbers mean nothing"' in text


def submit_command(text, rule):
    """The sbatch call the Slurm plugin makes for the first planned job of a rule."""
    from snakemake_executor_plugin_slurm.submit_string import get_submit_command
    from snakemake_executor_plugin_slurm.utils import set_gres_string

    block = text.split(f"rule {rule}:")[1].split("Shell command")[0]
    listed = re.search(r"^ +resources: (.+)$", block, re.M)[1]
    values = dict(pair.split("=", 1) for pair in listed.split(", "))
    number = {k: int(v) if v.isdigit() else v for k, v in values.items()}
    threads = re.search(r"^ +threads: (\d+)$", block, re.M)

    class Resources(dict):
        __getattr__ = dict.__getitem__

    job = SimpleNamespace(
        resources=Resources(number),
        threads=int(threads[1]) if threads else 1,
        is_group=lambda: False,
    )
    params = {"run_uuid": "u", "slurm_logfile": "l", "comment_str": "c"}
    settings = SimpleNamespace(requeue=True, no_requeue=False, qos=None, reservation=None)
    params |= {"account": "", "partition": "", "workdir": ".", "exec_job": "x"}
    return get_submit_command(job, params, settings) + set_gres_string(job)


def test_slurm_profile_plans_everything_and_asks_for_gpus_once(copied):
    words = ("--workflow-profile", "profiles/slurm", "--cores", "64")
    done = copied.run("-n", *words, "--config", "runtime={gpus: 4}")
    assert done.jobs == JOBS
    call = submit_command(done.text, "train")
    assert "--gpus=4" in call
    assert "--cpus-per-task=8" in call
    assert "--ntasks-per-gpu" not in call
    assert "-t 720" in call
    assert "--requeue" in call
    assert "--signal=TERM@300" in call
    other = submit_command(done.text, "mesh")
    assert "--gpus" not in other
    assert "--mem 8000" in other


def test_slurm_training_starts_one_process_for_each_gpu(copied):
    words = ("--workflow-profile", "profiles/slurm", "--cores", "64")
    done = copied.run("-n", *words, "--config", "runtime={gpus: 4}")
    calls = re.findall(r"exec gof train .* --processes (\d+) ", done.text)
    assert calls == ["4"] * JOBS["train"]


def test_every_test_named_in_the_deviations_exists(here):
    text = (here.folder / "docs" / "deviations.md").read_text()
    named = set(re.findall(r"`(tests/[^`]+)`", text))
    assert len(named) > 5
    assert [path for path in sorted(named) if not (here.folder / path).exists()] == []
