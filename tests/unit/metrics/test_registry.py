"""One file is one metric: what a metric from outside the package needs, and what it gets."""

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from gof.config.errors import ConfigError
from gof.data.manifest import Manifest, Split, write_manifest
from gof.data.shards import write_shard
from gof.experiment.config import Config
from gof.experiment.schema import schema
from gof.geometry.settings import Camera
from gof.metrics.evaluate import EvaluateJob, run_evaluate
from gof.metrics.registry import METRICS, Metric, lacking, metrics
from gof.metrics.section import MetricSection
from gof.report.jobs import TablesJob
from gof.report.tables import run_tables
from gof.run import provenance
from gof.run.columns import Column
from gof.run.files import InputError
from tests.unit.metrics.small import saved

TOY = """
from __future__ import annotations

from gof.metrics.registry import METRICS, Metric
from gof.metrics.section import SizedSection
from gof.run.columns import Column


class Weight(SizedSection):
    power: int = 2


def measure(context, settings):
    from gof.metrics.context import row

    total = sum(float(p.abs().sum()) for p in context.model.generator.parameters())
    values = [total**settings.power + seed for seed in context.seeds]
    return {"rows": [row(context.name, "weight", values, 1, f"power {settings.power}")]}


METRIC = Metric("weight", Weight, "comparison", (Column("weight", "weight of a net"),), measure)
METRICS.register(METRIC)
"""


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """The toy, registered from a file outside the package."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "toy_metric.py").write_text(TOY)
    sys.modules.pop("toy_metric", None)
    yield import_module("toy_metric")
    sys.modules.pop("toy_metric", None)
    METRICS.forget("weight")


def test_importing_the_metrics_and_the_configuration_does_not_wait_for_torch():
    slow = "('torch', 'scipy', 'numpy', 'pandas')"
    code = "import sys; from gof.metrics.registry import metrics; assert len(metrics()) >= 6"
    code += "; import gof.experiment.config as c; c.Config.load('config.yaml')"
    code += f"; print([m for m in {slow} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_metrics_stand_in_the_order_of_tables_and_columns():
    order = ["frechet", "surface", "depth", "disentanglement", "shape", "landmarks"]
    order += ["specks", "mesh", "consistency", "identity"]
    assert list(metrics()) == order
    assert [m.module for m in metrics().values()] == [f"gof.metrics.{name}" for name in order]
    ranks = [(m.table, c.rank) for m in metrics().values() for c in m.columns]
    assert len(set(ranks)) == len(ranks)
    assert {name for name, m in metrics().items() if m.conditional} == set(order[3:6])
    assert {name for name, m in metrics().items() if m.subject == "views"} == {"frechet", "depth"}


def test_a_metric_from_outside_is_configured_measured_and_shown(toy, tmp_path):
    config = Config.parse(
        {"metrics": {"seeds": [0, 2], "weight": {"power": 1}}, "tracking": {"enabled": False}}
    )
    assert config.metrics.section("weight").power == 1
    assert '"Weight"' in schema()
    with pytest.raises(ConfigError, match=r"metrics\.weight\.powr: unknown key"):
        Config.parse({"metrics": {"weight": {"powr": 1}}})
    images = np.zeros((1, 8, 8, 3), np.uint8)
    shard = write_shard(tmp_path / "train-000.safetensors", {"image_8": images})
    data = tmp_path / "manifest.json"
    splits = {"train": Split(1, (shard,))}
    write_manifest(Manifest(data, "balls", Camera(), (1.0, 1.0, 1.0), (8,), splits))
    out = tmp_path / "results" / "balls" / "mine" / "seed0" / "metrics" / "weight.json"
    run_evaluate(
        config, EvaluateJob(metric="weight", data=data, out=out, generator=saved(tmp_path))
    )
    numbers = json.loads(out.read_text())["numbers"]
    assert numbers["columns"][0]["title"] == "weight of a net"
    assert numbers["rows"][0]["spread"] == pytest.approx(2**0.5)
    table = tmp_path / "tables"
    run_tables(
        config,
        TablesJob(records=(out,), published=Path("workflow/paper/published.yaml"), out=table),
    )
    text = (table / "comparison.md").read_text()
    assert "|  | weight of a net ↓ |" in text and "- weight of a net: power 1;" in text


def test_its_code_hash_is_of_its_own_file_and_what_it_uses(toy, tmp_path):
    before = provenance.metric_code("toy_metric")
    assert before != provenance.metric_code("gof.metrics.depth")
    for text, same in ((f"# a remark\n{TOY}", True), (TOY.replace("**", "*"), False)):
        (tmp_path / "toy_metric.py").write_text(text)
        for cached in (provenance._parse, provenance._meaning, provenance.code_hash):
            cached.cache_clear()
        assert (provenance.metric_code("toy_metric") == before) == same


def test_an_installed_package_adds_its_metrics_by_an_entry_point(tmp_path):
    (tmp_path / "toy_metric.py").write_text(TOY)
    about = tmp_path / "toy-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[gof.plugins]\ntoy = toy_metric\n")
    paths = [str(tmp_path), *sys.path]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}

    def check(settings):
        call = [sys.executable, "-m", "gof", "check", "--config", json.dumps(settings)]
        return subprocess.run(call, capture_output=True, text=True, env=env)

    assert check({"metrics": {"weight": {"power": 3}}}).returncode == 0
    (tmp_path / "toy_metric.py").write_text("import nothing_of_this_name\n")
    done = check({})
    assert done.returncode == 3
    assert "plugin toy (toy_metric): ModuleNotFoundError" in done.stderr
    assert done.stderr.count("\n") == 1


class Nothing(MetricSection):
    """No settings."""

    width: int = 3


def metric(name, **given):
    return Metric(name, Nothing, "comparison", (Column(name, name),), lambda *_: {}, **given)


def test_what_cannot_be_a_metric_is_named():
    assert metric("beauty", needs=("images",)).needs == ("images",)
    for name, given, said in (
        ("views", {}, "none of seeds, split, views"),
        ("a/b", {}, "small letters"),
        ("x", {"needs": ("truth",)}, "needs: no truth; images"),
        ("x", {"files": ("ears",)}, "files: no ears; features"),
    ):
        with pytest.raises(ConfigError, match=said):
            metric(name, **given)
    with pytest.raises(ConfigError, match="a metric named 'depth' is there already"):
        METRICS.register(metric("depth"))


def test_a_data_set_that_lacks_what_a_metric_needs_is_told_so():
    assert lacking(METRICS["depth"], ("images", "depth")) == ""
    assert lacking(METRICS["depth"], ("images",)) == "the data set offers no depth"
    assert lacking(METRICS["surface"], ()) == ""


def test_files_that_a_metric_takes_are_asked_for(tmp_path):
    with pytest.raises(InputError, match="--features: needed for the metric frechet: JSON of"):
        job = EvaluateJob(
            metric="frechet",
            data=tmp_path / "d.json",
            out=tmp_path / "o.json",
            views=tmp_path / "v.json",
        )
        run_evaluate(Config(), job)
