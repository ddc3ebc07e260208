"""The metrics there are: modules of this room that define METRIC, and plugins'. Configuration,
command line, workflow, the code hash of a job and the tables read them here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from gof.config.errors import ConfigError
from gof.config.registry import Registry
from gof.data.settings import OFFERS
from gof.metrics.section import MetricSection
from gof.run.columns import Column, described

if TYPE_CHECKING:
    from gof.metrics.context import Context

S = TypeVar("S", bound=MetricSection)
RESERVED = ("seeds", "split", "views")  # other keys of the section `metrics`
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
    table: Literal["comparison", "geometry", "control"]
    columns: tuple[Column, ...]
    measure: Callable[[Context, S], dict[str, Any]]
    subject: Literal["generator", "views"] = "generator"
    needs: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    conditional: bool = False
    drawn: bool = False

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.name) or self.name in RESERVED:
            raise ConfigError(
                f"metric {self.name!r}: a name is small letters, digits and _, and none of"
                f" {', '.join(RESERVED)}"
            )
        for what, given, possible in (
            ("needs", self.needs, OFFERS),
            ("files", self.files, tuple(FILES)),
        ):
            if unknown := set(given) - set(possible):
                names = ", ".join(sorted(unknown))
                raise ConfigError(f"metric {self.name}: {what}: no {names}; {', '.join(possible)}")

    @property
    def module(self) -> str:
        """The module it is written in."""
        return self.measure.__module__

    @property
    def wants_faces(self) -> bool:
        """Whether it asks for what is made for conditional models alone."""
        return self.conditional or "judge" in self.files

    @property
    def titles(self) -> str:
        """Titles of its columns."""
        return ", ".join(column.title for column in self.columns)

    def described(self) -> list[dict[str, Any]]:
        """Its columns as a record holds them."""
        own = [replace(column, conditional=self.conditional) for column in self.columns]
        return described(self.table, own)


METRICS: Registry[Metric[Any]] = Registry("metric", "gof.metrics", "METRIC")


def metrics() -> dict[str, Metric[Any]]:
    """All metrics by name, in the order of the tables and of their columns."""

    def place(metric: Metric[Any]) -> tuple[str, int, str]:
        return metric.table, min((column.rank for column in metric.columns), default=0), metric.name

    return {metric.name: metric for metric in sorted(METRICS.all().values(), key=place)}


def lacking(metric: Metric[Any], offers: Iterable[str]) -> str:
    """Why a data set that offers this is not measured by a metric; empty where it is."""
    absent = [need for need in metric.needs if need not in set(offers)]
    return f"the data set offers no {' and no '.join(absent)}" if absent else ""
