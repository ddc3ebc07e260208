import json
from pathlib import Path

import pytest

from gof.experiment.config import Config
from gof.report import readme
from gof.report.figures import run_figures
from gof.report.jobs import FiguresJob, ReadmeJob, TablesJob
from gof.report.tables import run_tables
from gof.run.files import InputError, write_json

UNTRACKED = Config.parse({"tracking": {"enabled": False}, "note": ""})
BLOCKS = ("comparison", "measured", "cost", "published", "claims", "rules")


def test_only_the_named_block_changes():
    text = "a\n<!-- x -->\nold\n<!-- /x -->\nb\n<!-- y -->\nkeep\n<!-- /y -->\n"
    pages = {Path("a"): text, Path("b"): "none here"}
    changed = readme.replaced(pages, "x", r"new \1")
    assert changed == {**pages, Path("a"): text.replace("old", r"new \1")}
    assert readme.replaced(changed, "x", "old") == pages


def test_a_missing_block_is_named():
    with pytest.raises(InputError, match="<!-- z -->"):
        readme.replaced({Path("a"): "text"}, "z", "new")


def test_the_largest_run_is_reported_the_newest_of_them(results, records, monkeypatch):
    monkeypatch.setattr(readme, "rule_graph", lambda: "graph")
    run_tables(
        UNTRACKED,
        TablesJob(records, published=Path("workflow/paper/published.yaml"), out=results / "tables"),
    )
    run_figures(UNTRACKED, FiguresJob(records, out=results / "figures"))
    runs = [(24, 900.0), (24, 1200.0), (3, 5.0)]
    data = {"numbers": {"train": 30, "test": 6}, "wall_s": 12.3}
    data["settings"] = {"datasets": {"heads": {"resolutions": [64, 128]}}}
    (results / "heads" / "data").mkdir()
    write_json(results / "heads" / "data" / "data.json", data)
    lines = [json.dumps({"jobs": j, "wall_s": w, "cores": 2}) for j, w in runs]
    lines.append(json.dumps({"jobs": 40, "wall_s": 1980.0, "cores": 2, "seeds": 3}))
    (results / "runs.jsonl").write_text("\n".join(lines) + "\n")
    page = results.parent / "README.md"
    page.write_text("".join(f"<!-- {name} -->\n<!-- /{name} -->\n" for name in BLOCKS[:-1]))
    other = results.parent / "docs" / "architecture.md"
    other.parent.mkdir(exist_ok=True)
    other.write_text("<!-- rules -->\n<!-- /rules -->\n")
    readme.run_readme(ReadmeJob(results=results, readme=page))
    assert other.read_text() == "<!-- rules -->\ngraph\n<!-- /rules -->\n"
    text = page.read_text()
    assert "default run: 20.0 minutes for 24 jobs on 2 cores" in text
    assert "seeds.yaml after it, 3 trainings of each model: 33.0 minutes for 40 jobs" in text
    assert "memory: 100 MiB in the largest job, 200 MiB in the 2 largest" in text
    assert "data set heads: 36 images (64 px, 128 px) in 12 s" in text
    assert "| GOF | 30.0 ± 1.5 |" in text
    assert "69.2" in text
    assert "table 1): pi-GAN" not in text and "sigma: " in text and "| not measured |" in text
    assert (results / "gallery" / "shapes.png").exists()
    assert not (results / "gallery" / "sweeps.png").exists()
    readme.run_readme(ReadmeJob(results=results, readme=page))
    assert page.read_text() == text


def test_several_trainings_become_what_other_runs_are_compared_with(
    results, records, training, monkeypatch
):
    test_the_largest_run_is_reported_the_newest_of_them(results, records, monkeypatch)
    expected = results.parent / "docs" / "expected.csv"
    assert not expected.exists(), "one training tells nothing of others"
    both = (*records, *training(results, "gof", seed=1, shift=2.0))
    published = Path("workflow/paper/published.yaml")
    run_tables(UNTRACKED, TablesJob(both, published=published, out=results / "tables"))
    readme.run_readme(ReadmeJob(results=results, readme=results.parent / "README.md"))
    assert expected.read_text() == (results / "tables" / "metrics.csv").read_text()


def test_tables_and_pictures_of_a_conditional_model_are_shown(results, records, monkeypatch):
    test_the_largest_run_is_reported_the_newest_of_them(results, records, monkeypatch)
    page = results.parent / "README.md"
    control = results / "heads" / "cgof" / "seed0" / "control"
    control.mkdir(parents=True)
    (control / "sweeps.png").write_bytes(b"picture")
    names = ("geometry", "control", "faces")
    for name in names:
        (results / "tables" / f"{name}.md").write_text(f"table of {name}")
    with pytest.raises(InputError, match="<!-- geometry -->"):
        readme.run_readme(ReadmeJob(results=results, readme=page))
    blocks = "".join(
        f"<!-- {name} -->\n<!-- /{name} -->\n" for name in ("geometry", "control", "faces")
    )
    page.write_text(page.read_text() + blocks)
    readme.run_readme(ReadmeJob(results=results, readme=page))
    assert "table of control" in page.read_text() and "table of faces" in page.read_text()
    assert (results / "gallery" / "sweeps.png").read_bytes() == b"picture"


def test_other_runs_beside_it_are_reported(results, records, monkeypatch):
    test_the_largest_run_is_reported_the_newest_of_them(results, records, monkeypatch)
    page, tables = results.parent / "README.md", results.parent / "results-ablations" / "tables"
    tables.mkdir(parents=True)
    run = json.dumps({"jobs": 78, "wall_s": 1500.0, "cores": 2})
    (tables.parent / "runs.jsonl").write_text(run + "\n")
    names = ("comparison", "geometry", "control")
    for name in names:
        (tables / f"{name}.md").write_text(f"**{name}**\n\n| a |\n\n- how it was measured\n")
    with pytest.raises(InputError, match="<!-- ablations -->"):
        readme.run_readme(ReadmeJob(results=results, readme=page))
    page.write_text(page.read_text() + "<!-- ablations -->\n<!-- /ablations -->\n")
    readme.run_readme(ReadmeJob(results=results, readme=page))
    text = page.read_text()
    assert "- ablations.yaml: 25.0 minutes for 78 jobs\n<!-- /measured -->" in text
    shown = "\n\n".join(f"**{name}**\n\n| a |" for name in names)
    assert f"<!-- ablations -->\n{shown}\n<!-- /abl" in text


def test_cars_that_lie_beside_it_are_shown(results, records, monkeypatch):
    samples = results.parent / "results-cars" / "cars" / "gof" / "seed0" / "samples"
    samples.mkdir(parents=True)
    (samples / "sheet.png").write_bytes(b"cars")
    test_the_largest_run_is_reported_the_newest_of_them(results, records, monkeypatch)
    assert (results / "gallery" / "cars-gof.png").read_bytes() == b"cars"
    assert not (results / "gallery" / "cars-gof.gif").exists()


def test_the_bench_is_shown_where_it_was_run(results, records, monkeypatch):
    test_the_largest_run_is_reported_the_newest_of_them(results, records, monkeypatch)
    page = results.parent / "README.md"
    (results / "tables" / "bench.md").write_text("how fast it is")
    (results / "figures" / "bench.png").write_bytes(b"picture")
    with pytest.raises(InputError, match="<!-- bench -->"):
        readme.run_readme(ReadmeJob(results=results, readme=page))
    page.write_text(page.read_text() + "<!-- bench -->\n<!-- /bench -->\n")
    readme.run_readme(ReadmeJob(results=results, readme=page))
    assert "<!-- bench -->\nhow fast it is\n<!-- /bench -->" in page.read_text()
    assert (results / "gallery" / "bench.png").read_bytes() == b"picture"


def test_without_a_run_it_says_what_to_do(tmp_path):
    page = tmp_path / "README.md"
    page.write_text("<!-- comparison -->\n<!-- /comparison -->\n")
    with pytest.raises(InputError, match="snakemake --cores all"):
        readme.run_readme(ReadmeJob(results=tmp_path / "results", readme=page))
