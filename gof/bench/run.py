"""`gof bench`: measure rows, write them as JSON, as a table and as a figure of growth."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from gof.bench.growth import KINDS, Growth, growth_figure, measure_growth
from gof.bench.jobs import BenchJob
from gof.bench.measure import Row, peak_mib
from gof.bench.place import Place
from gof.bench.rows import ROWS
from gof.experiment.config import Config
from gof.report.figures import png
from gof.report.typeset import Cell, Table
from gof.run.files import InputError, atomic_write, say, write_json
from gof.run.job import Job, job
from gof.run.machine import cores
from gof.run.outputs import Writes

GROWTH = "growth"
SMOKE = "results-smoke"  # where workflow/configs/smoke.yaml puts its results, beside others
HOW = (
    "Medians of 5 runs after one to warm up (3 where one takes longer than 20 s), matrix products"
    " between them. Peak memory of this process, in all, while the row or its pair was measured."
)
SLOPES = (
    "growth: exponents of the cost, fields of 4 layers of 64, over the largest sizes of the figure"
)


@dataclass(frozen=True, slots=True)
class Found:
    """What was measured: rows, their peak memory (MiB) by name, curves; why rows were left out."""

    rows: list[Row] = field(default_factory=list)
    peaks: dict[str, float] = field(default_factory=dict)
    growths: list[Growth] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, place: Place) -> None:
        """Measure what `name` stands for, or note why not."""
        rows: list[Row] = []
        try:
            peak = peak_mib(lambda: rows.extend(self._measured(name, place)))
        except InputError as error:
            self.left_out[name] = str(error)
            say(f"{name}: left out: {error}")
            return
        self.rows.extend(rows)
        if peak is not None:  # of what was done here: minutes stand in logs
            self.peaks.update({row.row: round(peak[0]) for row in rows if row.unit != "min"})

    def _measured(self, name: str, place: Place) -> list[Row]:
        if name != GROWTH:
            rows = ROWS[name](place)
            for row in rows:
                say(_line(row))
            return rows
        rows = []
        for kind in KINDS:
            self.growths.append(measure_growth(place, kind))
            rows.append(self.growths[-1].row())
            say(_line(rows[-1]))
        return rows


def wanted_rows(names: str | None) -> list[str]:
    """Rows to measure, all without names. Raises InputError for one that does not exist."""
    known = [*ROWS, GROWTH]
    chosen = [name.strip() for name in names.split(",")] if names else known
    for name in chosen:
        if name not in known:
            raise InputError(f"--rows: no row {name!r}; there are {', '.join(known)}")
    return chosen


def machine() -> str:
    """What the numbers were measured on."""
    version = f"torch {torch.__version__}"
    if torch.cuda.is_available():
        return f"{torch.cuda.get_device_name()}, {version}"
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0].split(":", 1)[1].strip() if names else model
    isa, count = torch.backends.cpu.get_cpu_capability(), cores()
    return f"{model} ({isa}), {count} cores, {torch.get_num_threads()} threads, {version}"


def _number(value: float | None) -> str:
    """Three significant digits without an exponent."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"


def _target(row: Row) -> str:
    """What the row should reach, in words."""
    if row.target is None:
        return "–"
    if row.unit == "GFLOP/s":
        return f"≥ {_percent(row.target)} of the ceiling"
    return f"{'≥' if row.unit == 'dB' else '≤'} {_number(row.target)} {row.unit}"


def _line(row: Row) -> str:
    """A row for the log."""
    share = "" if row.fraction is None else f", {_percent(row.fraction)} of the ceiling"
    verdict = {True: f"; holds: {_target(row)}", False: f"; falls short: {_target(row)}", None: ""}
    return f"{row.row}: {_number(row.measured)} {row.unit}{share}{verdict[row.holds]}"


def table(found: Found, about: str, note: str) -> Table:
    """The rows as they stand in the README; what they are, and what was left out, below."""

    def line(row: Row) -> list[Cell]:
        texts = (
            row.row,
            f"{_number(row.measured)} {row.unit}",
            _number(row.ceiling),
            _percent(row.fraction),
            _target(row),
            {True: "yes", False: "no", None: "–"}[row.holds],
            _number(found.peaks.get(row.row)),
        )
        return [Cell(text) for text in texts]

    heads = ("", "measured", "ceiling", "of it", "to reach", "holds", "peak MiB")
    what = {name: " ".join((measure.__doc__ or "").split()) for name, measure in ROWS.items()}
    shown = {row.row for row in found.rows}
    notes = [note] if note else []
    notes += [HOW, *(f"{name}: {text}" for name, text in what.items() if name in shown)]
    notes += [f"{SLOPES}."] if found.growths else []
    notes += [f"{name}, left out: {why}." for name, why in found.left_out.items()]
    return Table(f"Speed on {about}", heads, [line(row) for row in found.rows], notes)


def run_bench(config: Config, wanted: BenchJob) -> None:
    """Write a list of rows; beside it bench.record.json, tables/bench.md and, of growth,
    figures/bench.png. A row whose input is missing is left out with a line that says what makes it.

    Raises InputError for names that are no rows, and where all are left out.
    """
    chosen, results, out = wanted_rows(wanted.rows), wanted.results, wanted.out
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    place, found, about = (
        Place(config, wanted, results.with_name(SMOKE), device),
        Found(),
        machine(),
    )
    with job(out.with_name("bench.record.json"), "bench", config, {}, Writes((out,))) as running:
        say(about)
        for name in chosen:
            found.add(name, place)
        if not found.rows:
            raise InputError("gof bench: nothing could be measured: see the lines above")
        _write(found, about, config.note, out, running)


def _write(found: Found, about: str, note: str, out: Path, running: Job) -> None:
    write_json(out, [row.plain() for row in found.rows])
    shown = out.parent / "tables" / "bench.md"
    atomic_write(shown, table(found, about, note).markdown())
    running.artifact(shown)
    if found.growths:
        drawing = out.parent / "figures" / "bench.png"
        atomic_write(drawing, png(growth_figure(found.growths), note))
        running.artifact(drawing)
    shares = {row.row: row.fraction for row in found.rows if row.fraction is not None}
    running.numbers = {
        **{row.row: row.measured for row in found.rows},
        **{f"{name} fraction": share for name, share in shares.items()},
        "machine": about,
        "peak_mib": found.peaks,
        "left_out": found.left_out,
        "growth": [asdict(growth) for growth in found.growths],
    }
