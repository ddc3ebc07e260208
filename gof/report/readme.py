"""The blocks of README and docs that a finished run writes: results, what was measured, the rule
graph."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from gof.report.claims import claims_table, read_claims
from gof.report.expected import intervals, read_metrics
from gof.report.jobs import ReadmeJob
from gof.run.files import InputError, atomic_write, read_json, say

Run = dict[str, Any]
TABLES = ("comparison", "cost", "published")
OTHER_TABLES = ("geometry", "control", "faces", "bench")  # what not every run has
PICTURES = (Path("figures/shapes.png"),)
OTHER_RUNS = ("smoke", "ablations", "desk")  # of workflow/configs/, in results-NAME/
CLAIMS = Path("workflow/paper/claims.yaml")
EXPECTED = Path("docs/expected.csv")  # what `gof check-results` compares with
OTHER_PICTURES = ("*/*/seed0/control/*.png", "figures/bench.png")
# Of the run of cars.yaml: sheet and turntable of its GOF, by the name they get.
CARS = {"cars-gof.png": "sheet.png", "cars-gof.gif": "turntable.gif"}


def replaced(pages: dict[Path, str], name: str, content: str) -> dict[Path, str]:
    """Pages with what stands between `<!-- name -->` and `<!-- /name -->` exchanged. Raises
    InputError where no page has these markers."""
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    if not any(pattern.search(text) for text in pages.values()):
        places = ", ".join(map(str, pages))
        raise InputError(f"{places}: no block <!-- {name} --> ... <!-- /{name} -->: add it to one")

    def filled(match: re.Match[str]) -> str:
        return match[1] + content.rstrip() + "\n" + match[2]

    return {path: pattern.sub(filled, text) for path, text in pages.items()}


def rule_graph() -> str:
    """The workflow's rules as a mermaid block, without Snakemake's colours. Raises InputError when
    it cannot be drawn."""
    call = [sys.executable, "-m", "snakemake", "--rulegraph", "mermaid-js", "--cores", "1"]
    done = subprocess.run(call, capture_output=True, text=True)
    if done.returncode:
        raise InputError(f"snakemake --rulegraph: {done.stderr.strip().splitlines()[-1]}")
    names = dict(re.findall(r"(id\d+)\[(\w+)\]", done.stdout))
    edges = {(names[a], names[b]) for a, b in re.findall(r"(id\d+) --> (id\d+)", done.stdout)}
    lines = [f"    {before} --> {after}" for before, after in sorted(edges)]
    return "\n".join(["```mermaid", "flowchart TB", *lines, "```"])


def complete_run(folder: Path) -> Run:
    """Of the log of a results folder, among the runs with the fewest training seeds (more of them
    are added to what is there) the one with the most jobs, the newest of several."""
    path = folder / "runs.jsonl"
    if not path.exists():
        raise InputError(f"{path}: no finished run here: run snakemake first")
    entries = _runs(path)
    fewest = min(entry["seeds"] for entry in entries)
    return _most_jobs(entry for entry in entries if entry["seeds"] == fewest)


def _runs(path: Path) -> list[dict[str, Any]]:
    return [{"seeds": 1, **json.loads(line)} for line in path.read_text().splitlines()]


def _most_jobs(entries: Iterable[dict[str, Any]]) -> Run:
    return max(reversed(list(entries)), key=lambda entry: entry["jobs"])


def measured(results: Path) -> str:
    """What a run took, as a Markdown list, and what other runs beside it did, as far as there were
    any."""
    run, cost = complete_run(results), pd.read_csv(results / "tables" / "cost.csv")
    peaks = sorted(cost["peak_mib"], reverse=True)[: int(run["cores"])]
    versions = read_json(results / "tables" / "tables.json")["versions"]
    lines = [
        f"default run: {_minutes(run)} for {run['jobs']} jobs on {run['cores']} cores"
        f" (torch {versions['torch']}, Python {versions['python']})",
        f"memory: {peaks[0]} MiB in the largest job, {sum(peaks)} MiB in the {len(peaks)} largest",
    ]
    lines += [_data_set(path) for path in sorted(results.glob("*/data/data.json"))]
    more = [other for other in _runs(results / "runs.jsonl") if other["seeds"] > run["seeds"]]
    if more:
        added = _most_jobs(more)
        lines.append(
            f"seeds.yaml after it, {added['seeds']} trainings of each model: {_minutes(added)}"
            f" for {added['jobs']} jobs"
        )
    for name in OTHER_RUNS:
        if (other := _beside(results, name) / "runs.jsonl").exists():
            run = complete_run(other.parent)
            lines.append(f"{name}.yaml: {_minutes(run)} for {run['jobs']} jobs")
    return "\n".join(f"- {line}" for line in lines)


def _data_set(record: Path) -> str:
    data, name = read_json(record), record.parent.parent.name
    images = sum(data["numbers"].get(split, 0) for split in ("train", "validation", "test"))
    sizes = ", ".join(f"{size} px" for size in data["settings"]["datasets"][name]["resolutions"])
    return f"data set {name}: {images} images ({sizes}) in {data['wall_s']:.0f} s"


def _beside(results: Path, name: str) -> Path:
    """Where workflow/configs/NAME.yaml puts its results."""
    return results.with_name(f"results-{name}")


def ablations(tables: Path) -> str:
    """The tables of models without one of their parts each, without the notes on how they were
    measured."""
    names = ("comparison", "geometry", "control")
    texts = [(tables / f"{name}.md").read_text() for name in names]
    lines = [line for text in texts for line in text.splitlines()]
    return "\n".join(line for line in lines if not line.startswith("- "))


def judged(results: Path) -> str:
    """The papers' claims by the numbers of a run and of the ablations beside it, whose base models
    are trained as its own and count once."""
    runs = [
        folder / "tables" / "metrics.csv" for folder in (results, _beside(results, "ablations"))
    ]
    frame = pd.concat([pd.read_csv(path, dtype={"seed": str}) for path in runs if path.exists()])
    frame = frame.drop_duplicates(["dataset", "model", "seed", "metric"])
    first = frame["dataset"].iloc[0]
    claims = read_claims(CLAIMS)
    return claims_table(claims, frame[frame["dataset"] == first]).markdown()


def _several_trainings(metrics: Path) -> bool:
    return not intervals(read_metrics(metrics)).empty


def _minutes(run: Run) -> str:
    return f"{float(run['wall_s']) / 60:.1f} minutes"


def _show_cars(results: Path, gallery: Path) -> None:
    samples = _beside(results, "cars") / "cars" / "gof" / "seed0" / "samples"
    for name, file in CARS.items():
        if (source := samples / file).exists():
            atomic_write(gallery / name, source.read_bytes())


def run_readme(wanted: ReadmeJob) -> None:
    """Write the generated blocks of the README and of docs/ beside it, and their pictures, from a
    finished run. What only a run with a conditional model has, and the bench, may be absent."""
    results, readme = wanted.results, wanted.readme
    paths = [readme, *sorted((readme.parent / "docs").glob("*.md"))]
    before = pages = {path: path.read_text() for path in paths}
    for name in (*TABLES, *OTHER_TABLES):
        content = results / "tables" / f"{name}.md"
        if content.exists():
            pages = replaced(pages, name, content.read_text())
        elif name in TABLES:
            raise InputError(f"{content}: no such file: run `snakemake --cores all` first")
    shown = [results / picture for picture in PICTURES]
    shown += [path for pattern in OTHER_PICTURES for path in sorted(results.glob(pattern))]
    for source in shown:
        if not source.exists():
            raise InputError(f"{source}: no such file: run `snakemake --cores all` first")
        atomic_write(readme.parent / "results" / "gallery" / source.name, source.read_bytes())
    _show_cars(results, readme.parent / "results" / "gallery")
    if (metrics := results / "tables" / "metrics.csv").exists() and _several_trainings(metrics):
        atomic_write(readme.parent / EXPECTED, metrics.read_text())
    pages = replaced(pages, "measured", measured(results))
    if (tables := _beside(results, "ablations") / "tables").exists():
        pages = replaced(pages, "ablations", ablations(tables))
    pages = replaced(pages, "claims", judged(results))
    pages = replaced(pages, "rules", rule_graph())
    changed = [path for path in paths if pages[path] != before[path]]
    for path in changed:
        atomic_write(path, pages[path])
    say(f"wrote {', '.join(map(str, changed)) or 'nothing new'} and {len(shown)} pictures")
