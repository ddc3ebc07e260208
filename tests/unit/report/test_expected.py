"""Whether a run lies where several trainings lay."""

import math

import numpy as np
import pandas as pd
import pytest

from gof.report.expected import compared, intervals, read_metrics, run_check_results
from gof.report.jobs import CheckResultsJob
from gof.run.files import InputError

HEADS = "dataset,model,seed,metric,value,spread,n,protocol\n"


def metrics(path, values, model="gof", dataset="heads"):
    """A metrics.csv: {metric: values of seeds 0, 1, ...}."""
    rows = [
        f"{dataset},{model},{seed},{metric},{value},0.1,2,how\n"
        for metric, row in values.items()
        for seed, value in enumerate(row)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEADS + "".join(rows) + "heads,real,,fd,12.0,0.1,2,how\n")
    return path


def test_an_interval_is_that_of_one_more_draw(tmp_path):
    frame = intervals(read_metrics(metrics(tmp_path / "m.csv", {"fd": [50.0, 53.0, 56.0]})))
    (row,) = frame.itertuples()
    # t of 0.975 with 2 degrees of freedom, by its closed form
    q = 0.975
    t = (2 * q - 1) * math.sqrt(2 / (1 - (2 * q - 1) ** 2))
    assert row.mean == 53 and row.half == pytest.approx(t * 3 * math.sqrt(4 / 3))


def test_nineteen_of_twenty_new_trainings_lie_within():
    draw = np.random.default_rng(0)
    inside = []
    for _ in range(2000):
        values = draw.normal(20, 3, 4)
        rows = [("heads", "gof", "fd", str(k), v) for k, v in enumerate(values)]
        frame = pd.DataFrame(rows, columns=["dataset", "model", "metric", "seed", "value"])
        inside.append(compared(frame[3:], frame[:3])["within"].item())
    assert np.mean(inside) == pytest.approx(0.95, abs=0.02)


def test_what_never_varied_may_differ_by_a_hundredth(tmp_path):
    expected = read_metrics(metrics(tmp_path / "a.csv", {"outward": [1.0, 1.0, 1.0]}))
    near = read_metrics(metrics(tmp_path / "b.csv", {"outward": [0.995]}))
    far = read_metrics(metrics(tmp_path / "c.csv", {"outward": [0.98]}))
    assert compared(near, expected)["within"].all() and not compared(far, expected)["within"].any()


def test_a_run_is_told_what_lies_outside(tmp_path, capsys):
    names = [f"m{k}" for k in range(6)]
    expected = metrics(tmp_path / "expected.csv", {name: [1.0, 1.1, 1.2] for name in names})
    own = {name: [1.1] for name in names} | {"m0": [9.0], "unknown": [1.0]}
    metrics(tmp_path / "results" / "tables" / "metrics.csv", own)
    wanted = CheckResultsJob(results=tmp_path / "results", expected=expected)
    run_check_results(wanted)
    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    assert len(lines) == 6 and [line.endswith("<- outside") for line in lines].count(True) == 1
    assert "9" in lines[0] and lines[0].endswith("<- outside")
    assert "5 of 6" in shown.err
    metrics(tmp_path / "results" / "tables" / "metrics.csv", own | {"m1": [9.0]})
    with pytest.raises(InputError, match=r"metrics.csv: only 4 of 6"):
        run_check_results(wanted)


def test_one_training_says_nothing_of_others(tmp_path):
    once = metrics(tmp_path / "once.csv", {"fd": [50.0]})
    metrics(tmp_path / "results" / "tables" / "metrics.csv", {"fd": [50.0]})
    with pytest.raises(InputError, match="several trainings"):
        run_check_results(CheckResultsJob(results=tmp_path / "results", expected=once))


def test_a_file_that_is_no_metrics_csv_is_named(tmp_path):
    path = tmp_path / "m.csv"
    for text in (None, "a,b\n1,2\n", HEADS + "heads,gof,0,fd,much,0,2,how\n"):
        if text is not None:
            path.write_text(text)
        with pytest.raises(InputError, match=r"m\.csv: no metrics.csv"):
            read_metrics(path)
