"""How numbers of a record look in the tables: a record carries its columns beside its rows, so that
the report reads files alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Column:
    """A metric as a column of a table. higher_is_better is None where neither direction is; columns
    stand in the order of their ranks; conditional: unconditional models have no such number."""

    metric: str
    title: str
    higher_is_better: bool | None = False
    rank: int = 1000
    conditional: bool = False

    @property
    def head(self) -> str:
        """Title and the better direction."""
        arrows = {True: " ↑", False: " ↓", None: ""}
        return f"{self.title}{arrows[self.higher_is_better]}"


def described(table: str, columns: Sequence[Column]) -> list[dict[str, Any]]:
    """Columns of a table, as a record holds them."""
    return [{"table": table, **asdict(column)} for column in columns]
