"""Tables from the records of jobs: every metric in long form, the comparison of the models, cost,
published numbers."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from gof.experiment.config import Config
from gof.report.jobs import TablesJob
from gof.report.overview import overview, page, table_html
from gof.report.published import published
from gof.report.records import Record, chosen, columns_of, label, read_records
from gof.report.typeset import Cell, Table
from gof.run.columns import Column
from gof.run.files import InputError, atomic_write
from gof.run.job import job
from gof.run.outputs import Writes

LONG = ("dataset", "model", "seed", "metric", "value", "spread", "n", "protocol")


# Titles of the tables that records name; those without a measured number are not written.
TITLES = {
    "comparison": "Image quality and geometry",
    "geometry": "Shapes and consistency",
    "control": "Control",
    "faces": "Fits and regressors",
}
TAUGHT = "taught with"
Missing = Mapping[tuple[str, str], str]  # (model, metric): why it was not measured


def long_form(records: Sequence[Record]) -> pd.DataFrame:
    """One row for each dataset, model, seed and metric; depends on nothing but the measured
    numbers."""
    rows = [
        {"dataset": record.dataset, "seed": record.seed, **row}
        for record in records
        for row in record.numbers.get("rows", [])
    ]
    frame = pd.DataFrame(rows, columns=list(LONG))
    doubled = frame[frame.duplicated(["dataset", "model", "seed", "metric"])]
    if len(doubled):
        first = doubled.iloc[0]
        raise InputError(f"tables: {first['model']}, {first['metric']}: measured by two records")
    return frame


def summary(frame: pd.DataFrame) -> dict[tuple[str, str], tuple[float, float]]:
    """Mean and spread of each (model, metric): over training seeds where there are several, else
    over evaluation seeds."""
    found = {}
    for (model, metric), rows in frame.groupby(["model", "metric"], sort=False):
        values = [float(value) for value in rows["value"]]
        spread = statistics.stdev(values) if len(values) > 1 else float(rows["spread"].iloc[0])
        found[str(model), str(metric)] = (statistics.fmean(values), spread)
    return found


def _best(values: Mapping[str, float], column: Column) -> set[str]:
    """Models with the best value of a column; all of them where several share it."""
    if not values or column.higher_is_better is None:
        return set()
    best = max(values.values()) if column.higher_is_better else min(values.values())
    return {model for model, value in values.items() if value == best}


def _number(value: float, spread: float) -> str:
    """Three significant digits without an exponent, the spread to the same place."""
    digits = 2 - math.floor(math.log10(abs(value))) if value else 0
    places = min(max(digits, 0), 6)
    text = f"{value:.{places}f}"
    return f"{text} ± {spread:.{places}f}" if spread else text


def missing(records: Sequence[Record]) -> dict[tuple[str, str], str]:
    """What measurements could not tell, and why."""
    return {
        (entry["model"], entry["metric"]): entry["why"]
        for record in records
        for entry in record.numbers.get("missing", [])
    }


def taught_with(records: Sequence[Record]) -> dict[str, str]:
    """What each trained model learns from."""
    return {
        record.model: "images, 3DMM" if record.conditional else "images"
        for record in records
        if record.integrator
    }


def comparison(
    frame: pd.DataFrame,
    title: str,
    possible: Sequence[Column],
    notes: Sequence[str] = (),
    taught: Mapping[str, str] | None = None,
) -> Table | None:
    """The trained models with their best values marked, what belongs to no training below; None
    where nothing of these columns was measured. taught: of each model, for a column of it."""
    frame = frame[frame["metric"].isin([column.metric for column in possible])]
    if frame.empty:
        return None
    numbers = summary(frame)
    columns = [column for column in possible if column.metric in set(frame["metric"])]
    trained = list(dict.fromkeys(frame.loc[frame["seed"] != "", "model"]))
    references = [model for model in dict.fromkeys(frame["model"]) if model not in trained]
    best = {
        column.metric: _best(
            {m: numbers[m, column.metric][0] for m in trained if (m, column.metric) in numbers},
            column,
        )
        for column in columns
    }

    def row(model: str) -> list[Cell]:
        cells = [Cell(label(model))]
        for column in columns:
            value, spread = numbers.get((model, column.metric), (None, 0.0))
            shown = "–" if value is None else _number(value, spread)
            cells.append(Cell(shown, best=model in best[column.metric]))
        return cells + ([Cell(taught.get(model, "–"))] if taught else [])

    line = [None] if trained and references else []
    rows = [*map(row, trained), *line, *map(row, references)]
    heads = ["", *(column.head for column in columns), *([TAUGHT] if taught else [])]
    return Table(title, heads, rows, [*notes, *_protocols(frame, columns)])


def _protocols(frame: pd.DataFrame, columns: Sequence[Column]) -> list[str]:
    """Notes that say how it was measured."""
    notes = []
    trained = frame.loc[frame["seed"] != ""]
    if len(trained):
        seeds = trained["seed"].nunique()
        over = f"{seeds} training seeds" if seeds > 1 else "the evaluation seeds"
        notes.append(f"Mean ± standard deviation over {over}; bold: best of the trained models.")
    for column in columns:
        # what is truncated is measured as the same without, but for psi: in metrics.csv
        truncated = frame["model"].str.endswith("_truncated")
        own = frame.loc[(frame["metric"] == column.metric) & ~truncated]
        measured = own.loc[own["seed"] != ""] if len(trained) else own
        notes.append(f"{column.title}: {'; or '.join(dict.fromkeys(measured['protocol']))}.")
    if len(trained) < len(frame) and len(trained):
        notes.append("How the rows below the line were measured: metrics.csv.")
    return notes


def _dashes(frame: pd.DataFrame, possible: Sequence[Column], why: Missing) -> list[str]:
    """Notes on what the trained models have no number for, and the reason."""
    notes: dict[str, list[str]] = {}
    measured = set(zip(frame["model"], frame["metric"], strict=True))
    metrics = {column.metric for column in possible} & set(frame["metric"])
    shown = frame[(frame["seed"] != "") & frame["metric"].isin(metrics)]
    for column in (column for column in possible if column.metric in metrics):
        for model in dict.fromkeys(shown["model"]):
            if (model, column.metric) not in measured:
                unmeasured = "of conditional models alone" if column.conditional else ""
                reason = why.get((model, column.metric), unmeasured)
                if reason:
                    notes.setdefault(f"{label(model)}: {reason}", []).append(column.title)
    return [f"–, {', '.join(titles)}: {reason}." for reason, titles in notes.items()]


def cost(records: Sequence[Record], note: str) -> tuple[Table, pd.DataFrame]:
    """Wall time, steps and peak memory of every node. Unlike the metrics these differ from run to
    run."""
    frame = pd.DataFrame(
        [
            {
                "dataset": record.dataset,
                "model": record.model,
                "seed": record.seed,
                "node": record.node,
                "step": record.numbers.get("step", ""),
                "wall_min": round(record.wall_s / 60, 2),
                "peak_mib": record.peak_mib,
            }
            for record in records
        ]
    )
    several = frame["dataset"].nunique() > 1

    def named(r: Any) -> str:
        on = f" on {r.dataset}" if several else ""
        return f"{label(str(r.model))}{on}, seed {r.seed}" if r.model else str(r.dataset)

    rows: list[list[Cell] | None] = [
        [
            Cell(named(r)),
            Cell(str(r.node)),
            Cell(str(r.step) or "–"),
            Cell(f"{r.wall_min:.2f}"),
            Cell(str(r.peak_mib)),
        ]
        for r in frame.itertuples()
    ]
    total = [
        Cell("all"),
        Cell("sum of minutes, largest memory"),
        Cell("–"),
        Cell(f"{frame['wall_min'].sum():.2f}"),
        Cell(str(frame["peak_mib"].max())),
    ]
    heads = ["", "node", "up to step", "minutes", "peak MiB"]
    return Table("Cost of every node", heads, [*rows, None, total], [note] if note else []), frame


def run_tables(config: Config, wanted: TablesJob) -> None:
    """Write metrics.csv, every comparison, cost and published as .md, .html, .tex and .csv,
    and overview.html, into the folder `wanted.out`."""
    paths, out = wanted.records, wanted.out
    given = [*paths, wanted.published] if wanted.published else paths
    inputs = {str(path): path for path in given}
    with job(out / "tables.json", "tables", config, inputs, Writes(fills=True)) as running:
        records = read_records(paths)
        frame = long_form(records)
        atomic_write(out / "metrics.csv", _csv(frame))
        written, shown = ["metrics.csv"], []
        for name, columns in chosen(columns_of(records), wanted.columns).items():
            if tables := _by_data_set(config, records, name, columns):
                _write(out / name, tables, _wide(frame, columns))
                written.append(f"{name}.md")
                shown += tables
        atomic_write(out / "overview.html", overview(records, shown))
        others = {"cost": cost(records, config.note)}
        if wanted.published:
            others["published"] = published(wanted.published, frame)
        for name, (table, values) in others.items():
            _write(out / name, [table], values)
        running.numbers = {"metrics": len(frame)}
        for name in (*written, "cost.md", "overview.html"):
            running.artifact(out / name)


def _by_data_set(
    config: Config, records: Sequence[Record], name: str, columns: Sequence[Column]
) -> list[Table]:
    """One of the tables, for each data set of which it has numbers."""
    datasets, found = list(dict.fromkeys(record.dataset for record in records)), []
    title = TITLES.get(name, name.capitalize())
    for dataset in datasets:
        own = [record for record in records if record.dataset == dataset]
        frame, reasons = long_form(own), config.reasons.get(dataset, {}).get(name, {})
        notes = [
            *([config.note] if config.note else []),
            *(f"Not measured: {what}: {why}." for what, why in reasons.items()),
            *_dashes(frame, columns, missing(own)),
        ]
        on = f" on {dataset}" if len(datasets) > 1 else ""
        known = taught_with(own) if name == "comparison" else None
        found.append(comparison(frame, f"{title}{on}", columns, notes, known))
    return [table for table in found if table is not None]


def _wide(frame: pd.DataFrame, columns: Sequence[Column]) -> pd.DataFrame:
    """A row for each data set, model and seed, value and spread of each metric side by side."""
    frame = frame[frame["metric"].isin([column.metric for column in columns])]
    rows = ["dataset", "model", "seed"]
    pivot = frame.pivot(index=rows, columns="metric", values=["value", "spread"])
    pivot.columns = pd.Index([f"{name[1]}_{name[0]}" for name in pivot.columns.to_list()])
    return pivot.reset_index()


def _csv(frame: pd.DataFrame) -> str:
    return str(frame.to_csv(index=False, lineterminator="\n"))


def _write(stem: Path, tables: Sequence[Table], frame: pd.DataFrame) -> None:
    atomic_write(stem.with_suffix(".md"), "\n".join(table.markdown() for table in tables))
    atomic_write(stem.with_suffix(".html"), page([table_html(table) for table in tables]))
    names = [f"{stem.name}-{number}" if number else stem.name for number in range(len(tables))]
    tex = [table.tex(name) for table, name in zip(tables, names, strict=True)]
    atomic_write(stem.with_suffix(".tex"), "\n".join(tex))
    atomic_write(stem.with_suffix(".csv"), _csv(frame))
