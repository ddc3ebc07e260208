"""What this room is asked to do: options of verbs, and their help."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class TablesJob:
    """`gof tables`."""

    records: tuple[Path, ...]
    """JSON records of jobs"""
    _: KW_ONLY
    published: Path
    """published numbers, YAML"""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResultsJob:
    """`gof check-results`."""

    results: Path = Path("results")
    """a finished run"""
    expected: Path = Path("docs/expected.csv")
    """metrics.csv of a run of several trainings (seeds.yaml)"""
