from pathlib import Path

import numpy as np
import pytest

from gof.cli.main import main
from gof.report.compare import comparison, measured, plain, sheets
from gof.run.files import InputError, write_png

HEAD = "dataset,model,seed,metric,value,spread,n,protocol\n"


def run(folder: Path, rows: str, model: str = "gof", grey: int = 100) -> Path:
    """A results folder with these rows and a sheet of each of two seeds."""
    (folder / "tables").mkdir(parents=True)
    (folder / "tables" / "metrics.csv").write_text(HEAD + rows)
    for seed in (0, 1):
        place = folder / "heads" / model / f"seed{seed}" / "samples"
        place.mkdir(parents=True)
        write_png(place / "sheet.png", np.full((8, 8, 3), grey + seed, np.uint8))
    return folder


A = "heads,gof,0,fd,40.0,2.0,600,p\nheads,gof,0,mad,16.0,0.1,600,p\nheads,real,,fd,9.0,0.1,600,p\n"
B = "heads,gof,0,fd,44.0,2.0,600,p\nheads,gof,0,mad,15.0,0.1,600,p\nheads,new,0,mad,1.0,0.1,600,p\n"
THREE = "".join(f"heads,gof,{seed},fd,{40 + seed},9.0,600,p\n" for seed in range(3))


def test_what_is_apart_by_more_than_its_spread_is_marked(tmp_path) -> None:
    runs = {name: run(tmp_path / name, rows) for name, rows in (("a", A), ("b", B))}
    table = comparison({n: measured(path / "tables" / "metrics.csv") for n, path in runs.items()})
    assert table.columns == ["", "a", "b", "difference"]
    texts = [[cell.text for cell in row] for row in table.rows]
    assert texts == [
        ["GOF: fd", "40 ± 2", "44 ± 2", "+4"],  # 4 < 2 sqrt(8)
        ["GOF: mad", "16 ± 0.1", "15 ± 0.1", "-1"],
    ]
    assert [row[-1].best for row in table.rows] == [False, True]
    lines = plain(table).splitlines()
    assert lines[2].endswith("-1*") and len({len(line) for line in lines[:3]}) <= 2


def test_several_trainings_have_their_own_spread(tmp_path) -> None:
    found = measured(run(tmp_path / "a", THREE) / "tables" / "metrics.csv")
    assert found == {("heads", "gof", "fd"): (41.0, 1.0, "p")}


def test_the_difference_is_that_of_the_last_run_that_has_it(tmp_path) -> None:
    number = {("heads", "gof", "fd"): (1.0, 0.0, "p")}
    more = {("heads", "gof", "fd"): (3.0, 0.0, "p")}
    table = comparison({"a": number, "b": more, "c": {}})
    assert [cell.text for cell in table.rows[0]] == ["GOF: fd", "1 ± 0", "3 ± 0", "–", "+2"]


def test_what_was_measured_otherwise_has_no_difference(tmp_path) -> None:
    runs = {name: run(tmp_path / name, A.replace("600,p", f"600,{name} px")) for name in "ab"}
    table = comparison({n: measured(path / "tables" / "metrics.csv") for n, path in runs.items()})
    assert [row[-1].text for row in table.rows] == ["measured otherwise"] * 2
    assert not any(row[-1].best for row in table.rows)


def test_sheets_of_a_model_stand_beside_each_other_of_the_first_seed(tmp_path) -> None:
    runs = {name: run(tmp_path / name, A, grey=grey) for name, grey in (("a", 50), ("b", 150))}
    pictures = list(sheets(runs))
    assert ["GOF, a" in pictures[0], "GOF, b" in pictures[1]] == [True, True]
    assert len(pictures) == 2 and pictures[0] != pictures[1]


def test_the_verb_prints_and_writes_a_page(tmp_path, capsys) -> None:
    a, b = (run(tmp_path / name, rows) for name, rows in (("a", A), ("b", B)))
    main(["compare", str(a), str(b)])
    assert "GOF: mad" in capsys.readouterr().out
    main(["compare", str(a), str(b), "--out", str(tmp_path / "page.html")])
    text = (tmp_path / "page.html").read_text()
    assert text.count("data:image/webp") == 2 and "GOF: mad" in text and text.startswith("<!doct")


@pytest.mark.parametrize(
    ("rows", "count", "line"),
    [
        ("heads,other,0,fd,1,1,2,p\n", 2, "share no model"),
        (A, 1, "at least two runs"),
        ("heads,gof,0,fd,much,1,2,p\n", 2, "no metrics.csv of a finished run"),
    ],
)
def test_what_cannot_be_compared_is_told(tmp_path, rows, count, line, capsys) -> None:
    a, b = run(tmp_path / "a", A), run(tmp_path / "b", rows)
    with pytest.raises(SystemExit):
        main(["compare", *map(str, (a, b)[:count])])
    assert line in capsys.readouterr().err


def test_a_run_is_not_overwritten(tmp_path) -> None:
    a, b = (run(tmp_path / name, A) for name in ("a", "b"))
    before = (a / "tables" / "metrics.csv").read_bytes()
    with pytest.raises(SystemExit):
        main(["compare", str(a), str(b), "--out", str(a / "tables" / "metrics.csv")])
    assert (a / "tables" / "metrics.csv").read_bytes() == before
    with pytest.raises(InputError):
        measured(a / "tables")
