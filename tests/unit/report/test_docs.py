"""Tables of docs/ that come from machines of which only the numbers are kept."""

import json
import re
from pathlib import Path

import pandas as pd

from gof.experiment.config import Config
from gof.report.claims import claims_table, read_claims
from tests.unit.differences import differences

KEPT = ("docs/gpu/search.json", "docs/search.json")
KEPT_NIGHTS = ("night", "night_mended")
KEPT_TABLES = ("expected", "gpu/ablations")
COLUMNS = ("fd_efficientnet", "side_x100", "mad_deg", "sigma", "surface_agreement", "speck_rays")


def test_the_tables_of_the_search_say_what_was_measured():
    kept = [json.loads(Path(name).read_text()) for name in KEPT]
    runs = kept[0]["runs"] | kept[1]["runs"]
    page = Path("docs/shapes.md").read_text()
    rows = re.findall(r"^\| (\w+) \|[^|]*\|((?: [\d.]+ \|){7})$", page, re.MULTILINE)
    assert {name for name, _ in rows} == set(runs)
    for name, cells in rows:
        found = [cell.strip() for cell in cells.split("|")[:-1]]
        wanted = [f"{runs[name]['measured'][key]:.3g}" for key in COLUMNS]
        assert found == [*wanted, f"{runs[name]['discriminator'][-1]:.2f}"], name


def test_the_default_run_trains_the_gof_that_was_chosen():
    wanted = json.loads(Path("docs/search.json").read_text())["runs"]["gof_late_smooth"]["model"]
    assert wanted.pop("extends") == "gof"
    default = Config.load("config.yaml").models["gof"].model_dump(mode="json")
    assert list(differences(default, wanted, "gof")) == []


def test_the_table_of_warm_starts_says_what_was_measured():
    runs = json.loads(Path("docs/search.json").read_text())["warm_starts"]["runs"]
    page = Path("docs/shapes.md").read_text()
    rows = re.findall(r"^\| (warm_\w+) \|[^|]*\|((?: [\d.]+ \|){6})$", page, re.MULTILINE)
    assert {name for name, _ in rows} == set(runs)
    names = ("ds_shape", "ds_expression", "ds_light", "ds_expression_truncated")
    for name, cells in rows:
        own = runs[name]
        wanted = [f"{own['seconds']:.0f}", f"{own['geometric']:.3g}"]
        wanted += [f"{own['measured'][key]:.3g}" for key in names]
        assert [cell.strip() for cell in cells.split("|")[:-1]] == wanted, name


def test_the_tables_of_the_nights_say_what_was_measured():
    kept = [json.loads(Path(f"docs/gpu/{name}.json").read_text()) for name in KEPT_NIGHTS]
    models = {name: own for night in kept for name, own in night["models"].items()}
    wanted = {
        name: [f"{own['measured'][key]['value']:.3g}" for key in COLUMNS]
        for name, own in models.items()
        if "measured" in own
    }
    page = Path("docs/gpu.md").read_text()
    rows = re.findall(r"^\| (\w+) \|((?: [\d.]+ \|){6})$", page, re.MULTILINE)
    found = {name: [cell.strip() for cell in cells.split("|")[:-1]] for name, cells in rows}
    assert found == wanted


def test_the_table_of_cars_says_what_was_measured():
    kept = pd.read_csv("docs/cars.csv").set_index(["model", "metric"]).value
    page = Path("docs/data.md").read_text().split("| of cars |")[1]
    rows = re.findall(r"^\| (\w+) \|((?: [\d.–]+ \|){7})$", page, re.MULTILINE)
    assert len(rows) == 4
    for name, cells in rows:
        found = [cell.strip() for cell in cells.split("|")[:-1]]
        own = (kept.get((name, key)) for key in (*COLUMNS, "reprojection"))
        assert found == ["–" if value is None else f"{value:.3g}" for value in own], name


def test_the_night_has_the_plan_that_was_measured():
    models = Config.load("config.yaml", "workflow/configs/night.yaml").models
    kept = json.loads(Path("docs/gpu/night_mended.json").read_text())["models"]
    for name in ("gof", "pigan", "cgof"):
        own, wanted = models[name].model_dump(mode="json"), kept[f"{name}_mended"]["trained_as"]
        assert list(differences(own, wanted, name)) == []


def test_claims_are_judged_by_the_kept_numbers():
    """Those of three trainings of each model, and of the ablations, which ran on a GPU."""
    kept = [pd.read_csv(f"docs/{name}.csv", dtype={"seed": str}) for name in KEPT_TABLES]
    frame = pd.concat(kept).drop_duplicates(["dataset", "model", "seed", "metric"])
    verdicts = claims_table(read_claims(Path("workflow/paper/claims.yaml")), frame).markdown()
    assert verdicts.strip() in Path("docs/claims.md").read_text()
