"""What this room is asked to do: options of verbs, and their help."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from gof.run.target import Target


@dataclass(frozen=True, slots=True)
class TablesJob:
    """`gof tables`."""

    records: tuple[Path, ...]
    """JSON records of jobs"""
    _: KW_ONLY
    published: Path | None = None
    """published numbers, YAML: a table beside what was measured"""
    columns: tuple[str, ...] = ()
    """metrics to show, in this order, by their names in metrics.csv (default: all)"""
    out: Path
    """folder to write"""


@dataclass(frozen=True, slots=True)
class FiguresJob:
    """`gof figures`."""

    records: tuple[Path, ...]
    """JSON records of jobs"""
    _: KW_ONLY
    out: Path
    """folder to write"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadmeJob:
    """`gof readme`."""

    results: Path = Path("results")
    """a finished run"""
    readme: Path = Path("README.md")
    """file to change, with the pages in docs/ beside it"""


@dataclass(frozen=True, slots=True)
class CompareJob:
    """`gof compare`."""

    results: tuple[Path, ...]
    """results folders of two runs or more; the first is what others are compared with"""
    _: KW_ONLY
    out: Target | None = None
    """.html: a page with the numbers and sample sheets; a folder: compare.html in it"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResultsJob:
    """`gof check-results`."""

    results: Path = Path("results")
    """a finished run"""
    expected: Path = Path("docs/expected.csv")
    """metrics.csv of a run of several trainings (seeds.yaml)"""
