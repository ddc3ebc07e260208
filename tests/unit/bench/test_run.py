import json

import pytest

from gof.bench import run
from gof.bench.growth import Growth
from gof.bench.jobs import BenchJob
from gof.bench.measure import Row
from gof.bench.run import Found, run_bench, table, wanted_rows
from gof.experiment.config import Config
from gof.run.files import InputError

UNTRACKED = Config.parse({"tracking": {"enabled": False}, "note": "a try"})


def fine(place):
    """Something fine. Ceiling: half."""
    return [Row("fine", 2.0, "s", 1.0, 0.5, 3.0, True), Row("more", 12.0, "min")]


def missing(place):
    """Something that needs a file."""
    raise InputError("x.npz: no such file: `make x` makes it")


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(run, "ROWS", {"fine": fine, "missing": missing})


def test_rows_are_all_or_those_named() -> None:
    assert wanted_rows(None) == [*run.ROWS, "growth"]
    assert wanted_rows("image, field-large") == ["image", "field-large"]
    with pytest.raises(InputError, match=r"--rows: no row 'imgae'; there are field-large, ") as bad:
        wanted_rows("image,imgae")
    assert "\n" not in str(bad.value)


def test_table_as_it_stands_in_the_readme(few) -> None:
    found = Found(
        rows=[
            Row("fine", 1.25, "s", 0.5, 0.4, 1.0, False),
            Row("rate", 90.0, "GFLOP/s", 100.0, 0.9, 0.88, True),
            Row("picture", 38.06, "dB", target=35.0, holds=True),
            Row("slow", 12345.6, "s"),
        ],
        peaks={"fine": 1234},
        left_out={"missing": "no file: make it"},
    )
    text = table(found, "a machine", "a try").markdown()
    lines = text.splitlines()
    assert lines[0] == "**Speed on a machine**"
    assert lines[2] == "|  | measured | ceiling | of it | to reach | holds | peak MiB |"
    assert lines[4:8] == [
        "| fine | 1.25 s | 0.5 | 40 % | ≤ 1 s | no | 1,234 |",
        "| rate | 90 GFLOP/s | 100 | 90 % | ≥ 88 % of the ceiling | yes | – |",
        "| picture | 38.1 dB | – | – | ≥ 35 dB | yes | – |",
        "| slow | 12,346 s | – | – | – | – | – |",
    ]
    assert "- a try\n" in text and "- fine: Something fine. Ceiling: half.\n" in text
    assert lines[-1] == "- missing, left out: no file: make it."


def test_a_run_writes_rows_table_and_record(few, tmp_path, capsys) -> None:
    out = tmp_path / "results" / "bench.json"
    run_bench(UNTRACKED, BenchJob(rows="fine,missing", results=out.parent, out=out))
    rows = json.loads(out.read_text())
    assert [row["row"] for row in rows] == ["fine", "more"]
    keys = {"row", "measured", "unit", "ceiling", "fraction", "target", "holds"}
    assert all(set(row) == keys for row in rows)
    assert "| fine | 2 s | 1 | 50 % | ≤ 3 s | yes |" in (out.parent / "tables/bench.md").read_text()
    record = json.loads((out.parent / "bench.record.json").read_text())
    assert record["kind"] == "bench"
    assert record["numbers"]["fine fraction"] == 0.5
    assert set(record["numbers"]["peak_mib"]) <= {"fine"}  # minutes stand in a log
    assert record["numbers"]["left_out"] == {"missing": "x.npz: no such file: `make x` makes it"}
    said = capsys.readouterr().err
    assert "fine: 2 s, 50 % of the ceiling; holds: ≤ 3 s\n" in said
    assert "missing: left out: x.npz" in said
    assert not (out.parent / "figures").exists()


def test_where_nothing_can_be_measured_it_says_so(few, tmp_path) -> None:
    with pytest.raises(InputError, match="nothing could be measured"):
        run_bench(
            UNTRACKED, BenchJob(rows="missing", results=tmp_path, out=tmp_path / "bench.json")
        )
    assert not (tmp_path / "bench.json").exists()


def test_growth_brings_rows_and_a_figure(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(
        run, "measure_growth", lambda place, kind: Growth(kind, (2, 4, 8), (1.0, 2.0, 4.0))
    )
    run_bench(UNTRACKED, BenchJob(rows="growth", results=tmp_path, out=tmp_path / "bench.json"))
    rows = {row["row"]: row for row in json.loads((tmp_path / "bench.json").read_text())}
    assert rows["growth-grid"]["measured"] == pytest.approx(1) and rows["growth-grid"]["holds"]
    assert (tmp_path / "figures" / "bench.png").read_bytes()[:4] == b"\x89PNG"
    record = json.loads((tmp_path / "bench.record.json").read_text())
    assert record["numbers"]["growth"][0] == {
        "kind": "points",
        "sizes": [2, 4, 8],
        "seconds": [1.0, 2.0, 4.0],
    }


def test_the_machine_is_named() -> None:
    about = run.machine()
    assert "torch 2" in about and ("threads" in about or "NVIDIA" in about)
