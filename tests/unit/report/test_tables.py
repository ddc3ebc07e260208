import shutil
from pathlib import Path

import pandas as pd
import pytest

from gof.experiment.config import Config
from gof.metrics.registry import metrics
from gof.report.jobs import TablesJob
from gof.report.records import columns_of, read_records
from gof.report.tables import (
    TITLES,
    _number,
    comparison,
    cost,
    long_form,
    run_tables,
    summary,
)
from gof.run.files import InputError, read_json, write_json

PUBLISHED = Path("workflow/paper/published.yaml")
UNTRACKED = Config.parse({"tracking": {"enabled": False}, "note": ""})


def made(paths, name, notes=(), change=lambda frame: frame):
    """One table of these records."""
    records = read_records(paths)
    columns = columns_of(records).get(name, ())
    return comparison(change(long_form(records)), TITLES[name], columns, notes)


def cells(table, row):
    (found,) = [r for r in table.rows if r and r[0].text == row]
    return {head: cell for head, cell in zip(table.columns, found, strict=True)}


def shown(name):
    """Columns of a table that the package's own metrics have."""
    return [column for m in metrics().values() if m.table == name for column in m.columns]


def test_long_form_has_the_promised_columns_and_knows_model_and_seed(records):
    frame = long_form(read_records(records))
    assert list(frame.columns) == [
        "dataset",
        "model",
        "seed",
        "metric",
        "value",
        "spread",
        "n",
        "protocol",
    ]
    assert len(frame) == 7
    assert set(frame["dataset"]) == {"heads"}
    assert set(frame.loc[frame["model"] == "gof", "seed"]) == {"0"}
    assert set(frame.loc[frame["model"] == "real", "seed"]) == {""}


def test_best_of_the_trained_models_is_marked_also_when_the_baseline_wins(records):
    table = made(records, "comparison")
    gof, pigan, real = (cells(table, name) for name in ("GOF", "pi-GAN", "real"))
    assert pigan["FD (EfficientNet) ↓"].best
    assert not gof["FD (EfficientNet) ↓"].best
    assert gof["Σ ×1e4 ↓"].best
    assert gof["outward ↑"].best and pigan["outward ↑"].best
    assert not any(cell.best for cell in real.values())
    assert real["Σ ×1e4 ↓"].text == "–"
    assert gof["Σ ×1e4 ↓"].text == "0.0400 ± 0.0030"


def test_higher_is_better_where_it_is(records):
    def worse(frame):
        row = (frame["model"] == "pigan") & (frame["metric"] == "outward_fraction")
        frame.loc[row, "value"] = 0.5
        return frame

    table = made(records, "comparison", change=worse)
    assert cells(table, "GOF")["outward ↑"].best
    assert not cells(table, "pi-GAN")["outward ↑"].best
    assert {c.metric for c in shown("comparison") if c.higher_is_better} == {
        "surface_agreement",
        "outward_fraction",
    }


def test_several_training_seeds_give_their_mean_and_spread(results, records, training):
    more = training(results, "gof", seed=1, shift=2.0)
    frame = long_form(read_records([*records, *more]))
    value, spread = summary(frame)["gof", "fd_efficientnet"]
    assert value == pytest.approx(31.0)
    assert spread == pytest.approx(2**0.5)
    assert "2 training seeds" in made([*records, *more], "comparison").markdown()


def test_protocols_and_note_stand_under_the_table(records):
    text = made(records, "comparison", ["numbers mean nothing"]).markdown()
    assert "numbers mean nothing" in text
    assert "FD (EfficientNet): how fd_efficientnet." in text


def test_models_stand_in_the_tables_they_were_measured_for(obeying):
    names = {
        name: [row[0].text for row in made(obeying, name).rows if row]
        for name in ("comparison", "control", "faces")
    }
    assert names == {
        "comparison": ["GOF", "pi-GAN", "real"],
        "control": ["cGOF", "cGOF truncated", "random pairing"],
        "faces": ["3DMM fit", "regressor"],
    }


def test_a_column_without_a_better_direction_has_no_arrow_and_no_best(obeying):
    table = made(obeying, "control")
    cgof, truncated = cells(table, "cGOF"), cells(table, "cGOF truncated")
    assert truncated["Chamfer ↓"].best and not cgof["Chamfer ↓"].best
    assert cgof["DS pose ↑"].best
    assert not cgof["Chamfer, other mesh"].best and not truncated["Chamfer, other mesh"].best
    cross = {c.metric for c in shown("control") if c.higher_is_better is None}
    assert cross == {"chamfer_cross", "landmark_correlation_cross"}


def test_steps_without_a_model_belong_to_the_data_set(obeying):
    found = {(r.dataset, r.model, r.node) for r in read_records(obeying)}
    assert ("heads", "", "faces/fits/fits") in found
    assert ("heads", "", "faces/regressors/judge/regressor") in found
    assert ("heads", "", "reference/shape") in found
    assert ("heads", "", "reference/views/views") in found
    frame = long_form(read_records(obeying))
    assert set(frame["dataset"]) == {"heads"}


def test_a_table_of_which_nothing_was_measured_is_not_written(records, obeying, tmp_path):
    assert made(records, "control") is None
    for name, some, files in (("a", records, set()), ("b", obeying, {"control", "faces"})):
        run_tables(UNTRACKED, TablesJob(some, published=PUBLISHED, out=tmp_path / name))
        written = {path.stem for path in (tmp_path / name).glob("*.md")}
        assert written == {"comparison", "cost", "published"} | files
    run_tables(UNTRACKED, TablesJob(records, out=tmp_path / "alone"))
    assert {path.stem for path in (tmp_path / "alone").glob("*.md")} == {"comparison", "cost"}
    few = ("sigma", "fd_efficientnet")
    run_tables(UNTRACKED, TablesJob(records, columns=few, out=tmp_path / "few"))
    head = (tmp_path / "few" / "comparison.md").read_text().splitlines()[2]
    assert [cell.split()[0] for cell in head.split("|")[2:4]] == ["Σ", "FD"]
    assert "outward" not in head
    with pytest.raises(InputError, match="--columns: no 'sharpness': there are "):
        run_tables(UNTRACKED, TablesJob(records, columns=("sharpness",), out=tmp_path / "x"))
    wide = pd.read_csv(tmp_path / "b" / "control.csv")
    assert set(wide["model"]) == {"cgof", "cgof_truncated", "random_pairing"}
    assert "chamfer_value" in wide.columns and "sigma_value" not in wide.columns


def test_columns_stand_in_the_order_of_their_ranks_whoever_brings_them_first(obeying):
    for paths in (obeying, obeying[::-1]):
        columns = columns_of(read_records(paths))
        assert [column.metric for column in columns["control"]] == [
            "ds_pose",
            "chamfer",
            "chamfer_cross",
        ]
        assert [column.metric for column in columns["faces"]] == [
            "landmark_nme_percent",
            "depth_error_ratio",
        ]


@pytest.mark.parametrize(
    "column",
    [{"metric": "a"}, {"table": "../a", "metric": "a", "title": "A"}, {"table": "a"}, 3],
)
def test_columns_that_cannot_be_read_are_named(results, records, column):
    value = read_json(records[0])
    value["numbers"]["columns"] = [column]
    write_json(records[0], value)
    with pytest.raises(InputError, match=r"surface\.json: its columns cannot be read"):
        columns_of(read_records(records))


def test_a_dash_of_a_trained_model_has_its_reason_below_the_table(results, records, tmp_path):
    surface = read_json(records[0])
    numbers = surface["numbers"]
    numbers["rows"] = [row for row in numbers["rows"] if row["metric"] != "sigma"]
    numbers["missing"] = [{"model": "gof", "metric": "sigma", "why": "no ray is opaque enough"}]
    write_json(records[0], surface)
    other = results / "heads" / "pigan" / "seed0" / "metrics" / "ear.json"
    column = {"table": "comparison", "metric": "ear", "title": "ear", "conditional": True}
    row = {"model": "pigan", "metric": "ear", "value": 1.0, "spread": 0.0, "n": 1, "protocol": "e"}
    value = {"rows": [row], "columns": [column]}
    write_json(other, {**surface, "numbers": value})
    why = {"SIDE ×100, MAD (deg)": "the data set offers no depth"}
    reasons = {"heads": {"comparison": why}, "other": {"comparison": {"ear": "no"}}}
    config = Config.parse({"tracking": {"enabled": False}, "reasons": reasons})
    run_tables(
        config,
        TablesJob(records=(*records, other), published=PUBLISHED, out=tmp_path / "tables"),
    )
    text = (tmp_path / "tables" / "comparison.md").read_text()
    assert "| GOF | 30.0 ± 1.5 | – |" in text
    assert "- Not measured: SIDE ×100, MAD (deg): the data set offers no depth.\n" in text
    assert "- –, Σ ×1e4: GOF: no ray is opaque enough.\n" in text
    assert "- –, ear: GOF: of conditional models alone.\n" in text
    assert text.count("\n- –, ") == 2


def test_every_data_set_has_its_table_with_its_own_best(results, records, training, tmp_path):
    more = training(results, "pigan", dataset="photographs", shift=1.0)
    why = {"cgof": "photographs offers no coefficients"}
    reasons = {"photographs": {"comparison": why}}
    config = Config.parse({"tracking": {"enabled": False}, "reasons": reasons})
    out = tmp_path / "tables"
    run_tables(config, TablesJob(records=(*records, *more), published=PUBLISHED, out=out))
    heads, photographs = (out / "comparison.md").read_text().split("**Image")[1:]
    assert heads.startswith(" quality and geometry on heads**")
    assert photographs.startswith(" quality and geometry on photographs**")
    assert "| pi-GAN | **20.0 ± 0.5** | 2.57 ± 0.20 |" in heads and "| GOF |" in heads
    assert "| pi-GAN | **21.0 ± 0.5** | **3.57 ± 0.20** |" in photographs
    assert "| GOF |" not in photographs and "cgof" not in heads
    assert "- Not measured: cgof: photographs offers no coefficients.\n" in photographs
    wide = pd.read_csv(out / "comparison.csv")
    assert set(zip(wide.dataset, wide.model, strict=True)) >= {
        ("heads", "pigan"),
        ("photographs", "pigan"),
    }
    assert (out / "comparison.tex").read_text().count("\\begin{tabular}") == 2
    assert "pi-GAN on photographs, seed 0" in (out / "cost.md").read_text()


def test_every_model_says_what_it_was_taught_with(records, tmp_path):
    run_tables(UNTRACKED, TablesJob(tuple(records), published=PUBLISHED, out=tmp_path))
    lines = (tmp_path / "comparison.md").read_text().splitlines()
    ends = {line.split(" | ")[0]: line.split(" | ")[-1] for line in lines if line.startswith("| ")}
    assert lines[2].endswith(" | taught with |")
    assert ends["| GOF"] == "images |"
    assert ends["| pi-GAN"] == "images, 3DMM |", "whatever has conditions"
    assert ends["| real"] == "– |"


def test_cost_lists_every_node_and_the_sum(records):
    table, frame = cost(read_records(records), "")
    assert len(frame) == len(records)
    assert table.rows[-1][3].text == f"{len(records):.2f}"


def test_the_same_metric_twice_is_refused(results, records):
    twin = results / "heads" / "gof" / "seed0" / "metrics" / "twin.json"
    shutil.copy(records[0], twin)
    with pytest.raises(InputError, match="gof, fd_efficientnet"):
        long_form(read_records([*records, twin]))


def test_files_depend_on_the_numbers_alone(results, records, tmp_path):
    run_tables(UNTRACKED, TablesJob(records, published=PUBLISHED, out=results / "tables"))
    before = {p.name: p.read_bytes() for p in (results / "tables").iterdir()}
    moved = tmp_path / "elsewhere"
    shutil.copytree(results, moved)
    again = [moved / r.relative_to(results) for r in records]
    for record in again:
        value = read_json(record)
        value["wall_s"] = 1.0
        write_json(record, value)
    run_tables(UNTRACKED, TablesJob(again, published=PUBLISHED, out=moved / "tables"))
    after = {p.name: p.read_bytes() for p in (moved / "tables").iterdir()}
    assert set(after) == set(before) and len(before) == 16
    same = {name for name in before if before[name] == after[name]}
    timed = {"cost.md", "cost.html", "cost.tex", "cost.csv", "tables.json", "overview.html"}
    assert set(before) - same == timed


def test_metrics_file_reads_back(results, records):
    run_tables(UNTRACKED, TablesJob(records, published=PUBLISHED, out=results / "tables"))
    frame = pd.read_csv(results / "tables" / "metrics.csv")
    chosen = frame[(frame["model"] == "gof") & (frame["metric"] == "sigma")].iloc[0]
    assert (chosen["value"], chosen["spread"], chosen["n"]) == (0.04, 0.003, 8)
    pivot = pd.read_csv(results / "tables" / "comparison.csv")
    assert pivot.set_index("model").loc["pigan", "sigma_value"] == 2.57


@pytest.mark.parametrize("text", ["{}", "[1]", "x", '{"kind": "train"}'])
def test_a_file_that_is_no_record_is_named(results, text):
    path = results / "heads" / "gof" / "seed0" / "metrics" / "bad.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(InputError, match=r"bad\.json"):
        read_records([path])


@pytest.mark.parametrize(
    ("value", "spread", "text"),
    [
        (2603.4, 18.0, "2603 ± 18"),
        (7.351, 0.2, "7.35 ± 0.20"),
        (0.0401, 0.003, "0.0401 ± 0.0030"),
        (1.0, 0.0, "1.00"),
        (0.0, 0.0, "0"),
        (-12.34, 0.5, "-12.3 ± 0.5"),
    ],
)
def test_numbers_are_written_without_exponents(value, spread, text):
    assert _number(value, spread) == text
