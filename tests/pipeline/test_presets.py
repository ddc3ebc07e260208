"""The papers' settings are trained with, two steps of every stage, at the sizes they name: their
resolutions, networks and samples a ray, but of their batches four images at most. Their whole
batches are for GPUs: a step of one takes minutes here. So do the sheets at the end of each stage,
which are drawn as ever."""

import json
import shutil

import pytest
import yaml

from gof.data.assets import assets
from gof.data.download import default_cache
from tests.unit import toy_sets
from tests.unit.loopback import loopback_server
from tests.workflow import ROOT, copy_workflow

pytestmark = [pytest.mark.hours, pytest.mark.timeout(3600)]
NEEDED = ("head", "features")  # come with the tests' cache
FEW = 4  # images of a step
PRESETS = sorted(path.stem for path in (ROOT / "workflow" / "configs").glob("paper-*.yaml"))


def short(preset: dict) -> dict:
    """A preset with two steps of a few images in every stage, and no more data than that takes."""
    for model in preset["models"].values():
        for stage in (model or {}).get("stages", ()):
            few = min(FEW, stage["micro_batch"])
            stage |= {"steps": 2, "batch": few, "micro_batch": few}
    if "heads" in preset["datasets"] and preset["datasets"]["heads"]:
        preset["datasets"]["heads"] |= {"train": 32, "validation": 16, "test": 16}
        preset["faces"]["pool"]["count"] = 32
    return preset


@pytest.mark.parametrize("name", PRESETS)
def test_two_steps_of_every_stage(name, tmp_path):
    workflow, cache = copy_workflow(tmp_path / "copy"), tmp_path / "cache"
    cache.mkdir()
    for needed in NEEDED:
        shutil.copy(default_cache() / assets()[needed].file, cache)
    files = {}
    for make in toy_sets.ARCHIVES.values():
        files |= make()
    config = workflow.folder / "workflow" / "configs" / f"{name}.yaml"
    preset = short(yaml.safe_load(config.read_text()))
    config.write_text(yaml.safe_dump(preset))
    (dataset,) = (own for own, made in preset["datasets"].items() if made)
    stages = {own: len(made["stages"]) for own, made in preset["models"].items() if made}
    last = {own: f"{dataset}/{own}/seed0/stage{count - 1}" for own, count in stages.items()}
    folder = workflow.folder / preset["pathvars"]["results"]
    with loopback_server() as (address, served, _):
        served.update(files)
        (tmp_path / "mirrors.yaml").write_text(json.dumps(toy_sets.served(files, address)))
        own = {"GOF_CACHE": str(cache), "GOF_ASSETS": str(tmp_path / "mirrors.yaml")}
        targets = [f"{folder.name}/{stage}/generator.safetensors" for stage in last.values()]
        done = workflow.run(*targets, "--cores", "all", "--configfile", str(config), **own)
    assert done.status == 0, done.text[-5000:]
    for stage in last.values():
        record = json.loads((folder / stage / "stage.json").read_text())
        print(f"{stage}: {record['wall_s']:.0f} s, {record['peak_mib']:.0f} MiB")
