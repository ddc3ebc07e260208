"""The metrics there are.

One file is one metric: a module of this room that says `METRIC = Metric(...)` is found by itself;
one outside is added by `register`, from a module that an installed package names under the entry
points `gof.plugins`. Everything else (the configuration, the command line, the workflow, the code
hash of a job, the tables) reads them here. Configuration and workflow import these modules, so they
import torch and what computes inside their functions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from gof.config.reading import ConfigError
from gof.metrics.section import MetricSection
from gof.run.columns import Column, described
from gof.run.plugins import load_plugins

if TYPE_CHECKING:
    from gof.metrics.context import Context

S = TypeVar("S", bound=MetricSection)
# What a data set may offer.
OFFERS = ("images", "depth", "normals", "poses", "landmarks", "coefficients")
# Further inputs that a metric may take, and where they come from.
FILES = {
    "features": "JSON of `gof download --asset features`",
    "head_model": "head_model.npz of `gof head-model`",
    "statistics": "statistics.npz of `gof fits`",
    "judge": "regressor.yaml of the judge, of `gof regressor`",
    "floor": "generator.yaml of an unconditional model, for references alone",
}
OPTIONAL_FILES = ("floor",)


@dataclass(frozen=True)
class Metric(Generic[S]):
    """A metric.

    name: of its section under `metrics`, of its records and of `gof evaluate --metric`; table and
    columns: where its rows are shown. measure: from a context and its own section to the numbers of
    a record, among them `rows` (`gof.metrics.context.row`) and, where something could not be
    measured, `missing`. subject: what it looks at. needs: what the data set must offer (OFFERS).
    files: further inputs (FILES). conditional: only conditional generators can be measured. drawn:
    figures show its records.

    References are known answers. A metric of generators measures one before training as any other;
    one of views gets those of such a generator, and gives known answers of its own besides; one of
    conditional generators gets the head model and what need not obey (`control_context`).
    """

    name: str
    section: type[S]
    table: Literal["comparison", "control"]
    columns: tuple[Column, ...]
    measure: Callable[[Context, S], dict[str, Any]]
    subject: Literal["generator", "views"] = "generator"
    needs: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    conditional: bool = False
    drawn: bool = False

    @property
    def module(self) -> str:
        """The module it is written in."""
        return self.measure.__module__

    @property
    def titles(self) -> str:
        """Titles of its columns."""
        return ", ".join(column.title for column in self.columns)

    def described(self) -> list[dict[str, Any]]:
        """Its columns as a record holds them."""
        own = [replace(column, conditional=self.conditional) for column in self.columns]
        return described(self.table, own)


_ADDED: dict[str, Metric[Any]] = {}


def register(metric: Metric[Any]) -> None:
    """Add a metric from outside this room. Raises ConfigError for one that cannot be used."""
    if metric.name in {*_own(), *_ADDED, "seeds", "views"}:
        raise ConfigError(f"metric {metric.name}: there is one of this name: rename it")
    _check(metric)
    _ADDED[metric.name] = metric


def _check(metric: Metric[Any]) -> None:
    """Raise ConfigError for a metric that does not fit."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", metric.name):
        raise ConfigError(f"metric {metric.name!r}: a name is small letters, digits and _")
    for what, given, possible in (
        ("needs", metric.needs, OFFERS),
        ("files", metric.files, tuple(FILES)),
    ):
        if unknown := set(given) - set(possible):
            names = ", ".join(sorted(unknown))
            raise ConfigError(f"metric {metric.name}: {what}: no {names}; {', '.join(possible)}")


@cache
def _own() -> dict[str, Metric[Any]]:
    """Those of this room. Its other modules are not imported: some need torch."""
    found: dict[str, Metric[Any]] = {}
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if re.search(r"^METRIC\b", path.read_text(), re.M):
            metric: Metric[Any] = import_module(f"{__package__}.{path.stem}").METRIC
            _check(metric)
            found[metric.name] = metric
    return found


def metrics() -> dict[str, Metric[Any]]:
    """All metrics by name, in the order of the tables and of their columns."""
    load_plugins()

    def place(metric: Metric[Any]) -> tuple[str, int, str]:
        return metric.table, min((column.rank for column in metric.columns), default=0), metric.name

    return {metric.name: metric for metric in sorted((_own() | _ADDED).values(), key=place)}


def metric_of(name: str) -> Metric[Any]:
    """A metric by its name. Raises ConfigError."""
    known = metrics()
    if name not in known:
        raise ConfigError(f"--metric: no metric named {name!r}; known: {', '.join(known)}")
    return known[name]


def lacking(metric: Metric[Any], offers: Iterable[str]) -> str:
    """Why a data set that offers this is not measured by a metric; empty where it is."""
    absent = [need for need in metric.needs if need not in set(offers)]
    return f"the data set offers no {' and no '.join(absent)}" if absent else ""
