"""Whether a run lies where others lay: each of its numbers beside those of several trainings."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
from scipy.stats import t

from gof.report.jobs import CheckResultsJob
from gof.run.files import InputError, say

COVERED = 0.95  # of new trainings, in the interval of a single number
# Numbers of one training move together, so that more of them may lie outside at once.
MAY_LIE_OUTSIDE = 0.2
LEAST = 0.01  # of the mean: what machines and printing alone may change
KEY = ["dataset", "model", "metric"]


def read_metrics(path: Path, *more: str) -> pd.DataFrame:
    """The trained models' rows of a metrics.csv, with more of its columns on demand. Raises
    InputError for what is none."""
    try:
        frame = pd.read_csv(path, dtype={"seed": str})[[*KEY, "seed", "value", *more]]
        frame["value"] = frame["value"].astype(float)
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: no metrics.csv of a finished run: {reason}") from None
    return frame[frame["seed"].notna()]


def intervals(expected: pd.DataFrame) -> pd.DataFrame:
    """For each dataset, model and metric of at least two trainings, mean, and `half` of the
    interval in which one more training lies with probability COVERED (Student's t for a new draw:
    t s sqrt(1 + 1 / n))."""
    found = expected.groupby(KEY)["value"].agg(mean="mean", deviation="std", count="count")
    found = found[found["count"] > 1].reset_index()
    n = found["count"]
    spread = t.ppf((1 + COVERED) / 2, n - 1) * found["deviation"] * (1 + 1 / n).map(math.sqrt)
    found["half"] = spread.clip(lower=LEAST * found["mean"].abs())
    return found


def compared(own: pd.DataFrame, expected: pd.DataFrame) -> pd.DataFrame:
    """The rows of `own` that are known from `expected`, with mean, half and whether they lie
    `within`. Raises InputError where there is none."""
    found = own.merge(intervals(expected), on=KEY)
    if found.empty:
        raise InputError(
            "check-results: no number of this run is known from several trainings: models and data"
            " sets must have the same names in both"
        )
    found["within"] = (found["value"] - found["mean"]).abs() <= found["half"]
    return found


def run_check_results(wanted: CheckResultsJob) -> None:
    """Print every number of a run that is expected, what is expected, and what lies outside.
    Raises InputError when more lie outside than chance lets."""
    path = wanted.results / "tables" / "metrics.csv"
    found = compared(read_metrics(path), read_metrics(wanted.expected))
    for row in found.itertuples():
        mark = "" if row.within else "   <- outside"
        print(
            f"{row.model:12} seed {row.seed:3} {row.metric:28} {row.value:10.4g}   expected"
            f" {row.mean:.4g} ± {row.half:.2g}{mark}"
        )
    outside = int((~found["within"]).sum())
    text = f"{len(found) - outside} of {len(found)} numbers lie where {COVERED:.0%} of trainings do"
    if outside > MAY_LIE_OUTSIDE * len(found):
        raise InputError(
            f"{path}: only {text}: other settings, or another version, than {wanted.expected}?"
        )
    say(f"{text}: as expected")
