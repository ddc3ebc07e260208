"""The papers' numbers beside those of this run."""

from __future__ import annotations

import statistics
from pathlib import Path

import pandas as pd

from gof.report.typeset import Cell, Table
from gof.run.files import InputError, read_yaml

GIVEN = ["paper", "model", "dataset", "resolution", "metric", "value", "source"]
FOUND = ["reproduced", "spread", "trainings", "difference", "verdict"]
SHOWN = ["paper", "model", "dataset", "resolution", "metric", "published"]
NOTE = (
    "reproduced: mean ± standard deviation over trainings, on the data set of that name, by the"
    " same model and metric; other pixels are no reproduction. A verdict needs two trainings:"
    " within two standard deviations of them is the same."
)


def published(path: Path, measured: pd.DataFrame) -> tuple[Table, pd.DataFrame]:
    """Numbers from the papers with their source, and what this run measured of the same.

    measured: every metric in long form. Raises InputError when the file is damaged.
    """
    given = _given(path)
    found = [_reproduced(row, measured) for _, row in given.iterrows()]
    frame = pd.concat([given, pd.DataFrame(found, columns=FOUND, dtype=object)], axis=1)
    rows = []
    for _, row in frame.iterrows():
        texts = [str(row[name]) for name in SHOWN[:-1]] + [f"{row['value']:g}"]
        rows.append([Cell(text) for text in (*texts, *_told(row), str(row["source"]))])
    heads = [*SHOWN, "reproduced", "difference", "verdict", "source"]
    return Table("Published and reproduced", heads, rows, [NOTE]), frame


def _given(path: Path) -> pd.DataFrame:
    try:
        frame = pd.DataFrame(read_yaml(path))
        frame = frame.loc[frame["metric"].notna(), GIVEN].reset_index(drop=True)
        frame["value"] = frame["value"].astype(float)
        frame["resolution"] = [_pixels(value) for value in frame["resolution"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        reason = " ".join(str(error).split())[:160]
        raise InputError(f"{path}: no table of published numbers: {reason}") from None
    return frame


def _pixels(value: float) -> str:
    return "–" if pd.isna(value) else f"{value:.0f}"


def _reproduced(row: pd.Series, measured: pd.DataFrame) -> dict[str, object]:
    """What was measured of a published number, by the names in FOUND."""
    same = (measured["dataset"] == row["dataset"]) & (measured["model"] == row["model"])
    own = measured[same & (measured["metric"] == row["metric"])]
    nothing: dict[str, object] = dict.fromkeys(FOUND, None)
    if own.empty:
        return nothing | {"trainings": 0, "verdict": "not run"}
    if row["resolution"].isdigit() and not _of_size(own, row["resolution"]):
        return nothing | {"trainings": len(own), "verdict": "in other pixels"}
    values = [float(value) for value in own["value"]]
    mean, count = statistics.mean(values), len(values)
    spread = statistics.stdev(values) if count > 1 else None
    gap = mean - float(row["value"])
    verdict = "one training" if spread is None else "same"
    if spread is not None and abs(gap) > 2 * spread:
        verdict = "worse" if gap > 0 else "better"  # of all published metrics less is better
    return dict(zip(FOUND, (mean, spread, count, gap, verdict), strict=True))


def _of_size(own: pd.DataFrame, pixels: str) -> bool:
    return bool(own["protocol"].str.contains(rf"\b{pixels} px").all())


def _told(row: pd.Series) -> list[str]:
    if pd.isna(row["reproduced"]):
        return ["–", "–", row["verdict"]]
    spread = "" if pd.isna(row["spread"]) else f" ± {row['spread']:.3g}"
    return [f"{row['reproduced']:.3g}{spread}", f"{row['difference']:+.3g}", row["verdict"]]
