"""The published sets go through the whole workflow, from their addresses to the tables: small
archives of the real layouts, served on this machine."""

import json
import shutil

import pandas as pd
import pytest

from gof.data.assets import assets
from gof.data.download import default_cache
from gof.data.manifest import load_manifest
from gof.experiment.config import Config
from gof.report.jobs import TablesJob
from gof.report.tables import run_tables
from tests.unit import toy_sets
from tests.unit.loopback import loopback_server
from tests.workflow import copy_workflow

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
SETS = (*toy_sets.ARCHIVES, "ffhq")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What a run on all of them at once leaves: two steps of a small GOF each, its measures of
    images and, where there is depth, of shapes; and the tables of all."""
    folder = tmp_path_factory.mktemp("published")
    workflow, mine, cache = copy_workflow(folder / "copy"), folder / "mine", folder / "cache"
    cache.mkdir()
    shutil.copy(default_cache() / assets()["features"].file, cache)
    files = toy_sets.ffhq(mine)
    for make in toy_sets.ARCHIVES.values():
        files |= make()
    datasets = {name: {"source": name, "resolutions": [32, 64]} for name in SETS}
    datasets["ffhq"]["folder"] = str(mine)
    stages = [{"resolution": 8, "steps": 2, "batch": 4, "micro_batch": 4}]
    only = {"pathvars": {"results": "results"}, "datasets": {"heads": None, **datasets}}
    only["metrics"] = {"seeds": [0]}
    only["models"] = {"gof": {"stages": stages}, "pigan": None, "cgof": None}
    (workflow.folder / "published.yaml").write_text(json.dumps(only))
    with loopback_server() as (address, served, _):
        served.update(files)
        (folder / "mirrors.yaml").write_text(json.dumps(toy_sets.served(files, address)))
        own = {"GOF_CACHE": str(cache), "GOF_ASSETS": str(folder / "mirrors.yaml")}
        config = ("--configfile", "workflow/configs/smoke.yaml", "published.yaml")
        measures = [f"{name}/gof/seed0/metrics/frechet.json" for name in SETS]
        measures += [f"{name}/reference/frechet.json" for name in SETS]
        measures += ["synface/gof/seed0/metrics/depth.json"]
        targets = [f"results/{file}" for file in measures]
        done = workflow.run(*targets, "--cores", "all", *config, **own)
    assert done.status == 0, done.text[-5000:]
    results = workflow.folder / "results"
    records = tuple(workflow.folder / file for file in targets)
    numbers = workflow.folder / "workflow" / "paper" / "published.yaml"
    job = TablesJob(records=records, published=numbers, out=results / "tables")
    run_tables(Config.parse({"tracking": {"enabled": False}}), job)
    return results


@pytest.mark.parametrize("name", SETS)
def test_a_set_is_trained_on_and_measured(results, name):
    manifest = load_manifest(results / name / "data" / "manifest.json")
    assert manifest.provenance["source"] == name
    rows = pd.read_csv(results / "tables" / "metrics.csv")
    own = rows[(rows.dataset == name) & (rows.model == "gof")]
    expected = {"fd_efficientnet", *(("side_x100", "mad_deg") if name == "synface" else ())}
    assert expected <= set(own.metric) and own.value.notna().all()
    assert f"on {name}**" in (results / "tables" / "comparison.md").read_text()
