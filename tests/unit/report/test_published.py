"""The papers' numbers beside measured ones."""

from pathlib import Path

import pandas as pd
import pytest

from gof.report.published import published
from gof.report.tables import LONG
from gof.run.files import InputError

PUBLISHED = Path("workflow/paper/published.yaml")


def measured(*values, dataset="celeba", model="pigan", pixels=128):
    protocol = f"pytorch-fid; 2048 images; {pixels} px, bilinear to 299"
    rows = [
        (dataset, model, seed, "fid", value, 0.1, 2048, protocol)
        for seed, value in enumerate(values)
    ]
    return pd.DataFrame(rows, columns=list(LONG))


def row_of(frame):
    table, values = published(PUBLISHED, frame)
    text = next(line for line in table.markdown().splitlines() if "| celeba | 128 | fid |" in line)
    return text, values


def test_numbers_keep_their_source_and_rows_that_were_not_run_say_so():
    text, values = row_of(measured(20.0, dataset="heads"))
    assert values["source"].notna().all() and (values["verdict"] == "not run").all()
    assert "| 14.7 | – | – | not run | leaderboard scrape" in text
    table = published(PUBLISHED, measured(20.0))[0].markdown()
    assert "| pigan | bfm | – | side_x100 | 0.727 |" in table and "| 128 | fid | 41 |" in table


@pytest.mark.parametrize(
    ("values", "told", "verdict"),
    [
        ((14.0, 15.0, 16.0), "15 ± 1 | +0.3", "same"),
        ((20.0, 20.2), "20.1 ± 0.141 | +5.4", "worse"),
        ((10.0, 10.2), "10.1 ± 0.141 | -4.6", "better"),
        ((20.0,), "20 | +5.3", "one training"),
    ],
)
def test_a_verdict_is_by_the_spread_over_trainings(values, told, verdict):
    text, frame = row_of(measured(*values))
    assert f"| 14.7 | {told} | {verdict} |" in text
    assert list(frame.verdict).count("not run") == len(frame) - 1


def test_other_pixels_and_other_models_are_no_reproduction():
    assert "| – | – | in other pixels |" in row_of(measured(15.0, 16.0, pixels=64))[0]
    assert "| – | – | not run |" in row_of(measured(15.0, 16.0, model="gof"))[0]


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "p.yaml").write_text("- {paper: x}")
    with pytest.raises(InputError, match=r"p\.yaml: no table of published numbers"):
        published(tmp_path / "p.yaml", measured())
