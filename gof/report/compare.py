"""Runs side by side: their numbers in the terminal, with their sample sheets on a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from gof.report.expected import KEY, read_metrics
from gof.report.jobs import CompareJob
from gof.report.overview import page, picture, table_html
from gof.report.records import label
from gof.report.tables import summary
from gof.report.typeset import Cell, Table
from gof.run.files import InputError, atomic_write
from gof.run.outputs import Writes, watched
from gof.run.target import placed

APART = 2.0  # standard deviations of a difference from which on it is marked
Number = tuple[float, float, str]  # mean, spread, how it was measured
Numbers = Mapping[tuple[str, str, str], Number]  # by data set, model and metric


def measured(metrics: Path) -> Numbers:
    """What a run's metrics.csv says of its models, as tables sum it up. Raises InputError for what
    is none."""
    frame = read_metrics(metrics, "spread", "protocol")
    protocols = frame.groupby(KEY)["protocol"].first()
    return {
        (str(dataset), model, metric): (*number, str(protocols[dataset, model, metric]))
        for dataset, rows in frame.groupby("dataset", sort=False)
        for (model, metric), number in summary(rows).items()
    }


def comparison(runs: Mapping[str, Numbers]) -> Table:
    """A row for each number that the first run shares with another: values, and how much the last
    of them differs; differences of more than two of their own deviations are marked as the best of
    a column is. Raises InputError where nothing is shared."""
    first, *others = runs.values()
    shared = [key for key in first if any(key in other for other in others)]
    if not shared:
        raise InputError(
            f"compare: {' and '.join(runs)} share no model: data sets and models must have the"
            " same names"
        )
    several = len({dataset for dataset, _, _ in shared}) > 1
    rows = [
        [
            Cell(f"{label(model)}{f' on {dataset}' if several else ''}: {metric}"),
            *(_value(run.get((dataset, model, metric))) for run in runs.values()),
            _difference(first[dataset, model, metric], _last(others, (dataset, model, metric))),
        ]
        for dataset, model, metric in shared
    ]
    notes = (
        "± over trainings where there are several, else over evaluation seeds, which differ less"
        " than trainings do.",
        f"Bold, in the terminal *: more than {APART:g} standard deviations of a difference apart.",
    )
    return Table("Side by side", ["", *runs, "difference"], rows, notes)


def _last(others: Sequence[Numbers], key: tuple[str, str, str]) -> Number:
    return next(other[key] for other in reversed(others) if key in other)


def _value(number: Number | None) -> Cell:
    return Cell("–" if number is None else f"{number[0]:.4g} ± {number[1]:.2g}")


def _difference(a: Number, b: Number) -> Cell:
    if a[2] != b[2]:
        return Cell("measured otherwise")
    apart = b[0] - a[0]
    return Cell(f"{apart:+.3g}", best=abs(apart) > APART * (a[1] ** 2 + b[1] ** 2) ** 0.5)


def plain(table: Table) -> str:
    """A table for a terminal."""
    cells = [list(table.columns)]
    cells += [[c.text + ("*" if c.best else "") for c in row] for row in table.rows if row]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in cells
    ]
    return "\n".join([*lines, *table.notes])


def sheets(runs: Mapping[str, Path]) -> Iterator[str]:
    """Sample sheets, model by model, those of the runs beside each other."""
    found: dict[tuple[str, str], dict[str, Path]] = {}
    for name, results in runs.items():
        for path in sorted(results.glob("*/*/seed*/samples/sheet.png")):
            model, dataset = (path.parents[up].name for up in (2, 3))
            found.setdefault((dataset, model), {}).setdefault(name, path)  # its first seed
    for (_, model), own in found.items():
        yield from (picture(f"{label(model)}, {name}", path) for name, path in own.items())


def run_compare(wanted: CompareJob) -> None:
    """Print what the runs measured, and write the page where one is asked for."""
    if len(wanted.results) < 2:
        raise InputError("compare: give the results folders of at least two runs")
    runs = {str(results): results for results in wanted.results}
    inputs = [results / "tables" / "metrics.csv" for results in runs.values()]
    table = comparison({name: measured(path) for name, path in zip(runs, inputs, strict=True)})
    print(plain(table))
    if wanted.out is None:
        return
    out = placed(wanted.out, "compare.html")
    with watched(out, inputs, Writes()):
        atomic_write(out, page([*sheets(runs), table_html(table)]))
