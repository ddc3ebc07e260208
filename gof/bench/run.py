"""`gof bench`: measure rows, write them as JSON, as a table and as a figure of growth."""

from __future__ import annotations

import io
import platform
from dataclasses import asdict
from pathlib import Path

import torch

from gof.bench.growth import growth_figure, measure_growth
from gof.bench.measure import Row
from gof.bench.rows import ROWS, Place
from gof.config import Config
from gof.io import InputError, atomic_write, say, write_json
from gof.job import job
from gof.report.typeset import Cell, Table

GROWTH = "growth"


def wanted_rows(names: str | None) -> list[str]:
    """Rows to measure, all without names. Raises InputError for one that does not exist."""
    known = [*ROWS, GROWTH]
    chosen = names.split(",") if names else known
    for name in chosen:
        if name not in known:
            raise InputError(f"--rows: no row {name!r}; there are {', '.join(known)}")
    return chosen


def machine() -> str:
    """What the numbers were measured on."""
    if torch.cuda.is_available():
        return f"{torch.cuda.get_device_name()}, torch {torch.__version__}"
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0].split(":", 1)[1].strip() if names else model
    isa = torch.backends.cpu.get_cpu_capability()
    return f"{model} ({isa}), {torch.get_num_threads()} threads, torch {torch.__version__}"


def table(rows: list[Row], about: str) -> Table:
    """The rows as they stand in the README."""

    def number(value: float | None) -> Cell:
        return Cell("–" if value is None else f"{value:.3g}")

    def line(row: Row) -> list[Cell]:
        share = "–" if row.fraction is None else f"{100 * row.fraction:.0f} %"
        unit = "of ceiling" if row.unit == "GFLOP/s" else row.unit
        target = "–"
        if row.target is not None:
            percent = f"{100 * row.target:.0f} %"
            target = f">= {percent}" if row.unit == "GFLOP/s" else f"<= {row.target:g} {unit}"
            target = f">= {row.target:g} dB" if row.unit == "dB" else target
        holds = "–" if row.holds is None else "yes" if row.holds else "no"
        measured = Cell(f"{row.measured:.3g} {row.unit}")
        return [
            Cell(row.row),
            measured,
            number(row.ceiling),
            Cell(share),
            Cell(target),
            Cell(holds),
        ]

    columns = ("work", "measured", "ceiling", "of it", "to reach", "holds")
    return Table(f"Speed: {about}", columns, [line(row) for row in rows])


def run_bench(config: Config, names: str | None, results: Path, out: Path) -> None:
    """Write `out`, a list of rows; beside it, record.json, tables/bench.md and figures/bench.png. A
    row whose input is missing is left out with a line that says what makes it."""
    chosen = wanted_rows(names)
    place = Place(config, results, results.with_name(f"{results.name}-smoke"))
    with job(out.with_name("bench.record.json"), "bench", config, {}) as running:
        about, rows = machine(), []
        say(about)
        for name in chosen:
            if name != GROWTH:
                rows += _row(name, place)
        running.numbers = {"machine": about, **{row.row: row.measured for row in rows}}
        write_json(out, [row.plain() for row in rows])
        path = out.parent / "tables" / "bench.md"
        atomic_write(path, table(rows, about).markdown())
        running.artifact(path)
        if GROWTH in chosen:
            growths = measure_growth(place)
            running.numbers["growth"] = [asdict(g) | {"slope": g.slope} for g in growths]
            path, buffer = out.parent / "figures" / "bench.png", io.BytesIO()
            growth_figure(growths).savefig(buffer, format="png")
            atomic_write(path, buffer.getvalue())
            running.artifact(path)


def _row(name: str, place: Place) -> list[Row]:
    try:
        rows = ROWS[name](place)
    except InputError as error:
        say(f"{name}: left out: {error}")
        return []
    for row in rows:
        share = "" if row.fraction is None else f", {100 * row.fraction:.0f} % of the ceiling"
        verdict = {True: "; holds", False: "; falls short", None: ""}[row.holds]
        say(f"{row.row}: {row.measured:.3g} {row.unit}{share}{verdict}")
    return rows
