"""The papers' claims against our numbers, each with a verdict."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from scipy.stats import t

from gof.report.records import label
from gof.report.typeset import Cell, Table
from gof.run.files import InputError, read_yaml

LEVEL = 0.05  # of the one-sided test
SHOWN, PART, OPPOSITE, OPEN, UNMEASURED = (
    "shown",
    "shown in part",
    "the opposite",
    "not shown",
    "not measured",
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A metric of which one model should have more than another."""

    metric: str
    more: str
    less: str


@dataclass(frozen=True, slots=True)
class Claim:
    """What a paper says, where, and what would show it."""

    claim: str
    source: str
    shown_by: tuple[Comparison, ...]


def read_claims(path: Path) -> list[Claim]:
    """Raises InputError for a file that holds none."""
    try:
        entries: list[dict[str, Any]] = read_yaml(path)
        return [
            Claim(e["claim"], e["source"], tuple(Comparison(**c) for c in e["shown_by"]))
            for e in entries
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: no claims: {' '.join(str(error).split())}") from None


def likelihood(more: list[float], less: list[float]) -> float | None:
    """How likely a difference as large as that of the means is if there is none (Student's t for
    two samples of one variance, one-sided); None where no sample tells how much trainings differ.
    """
    freedom = len(more) + len(less) - 2
    if not more or not less or freedom < 1:
        return None
    squares = sum((value - statistics.fmean(own)) ** 2 for own in (more, less) for value in own)
    spread = math.sqrt(squares / freedom * (1 / len(more) + 1 / len(less)))
    difference = statistics.fmean(more) - statistics.fmean(less)
    if not spread:
        return 0.5 if not difference else float(difference < 0)
    return float(t.sf(difference / spread, freedom))


def verdict(likelihoods: list[float | None]) -> str:
    """Of a claim, from those of its comparisons."""
    known = [p for p in likelihoods if p is not None]
    if not known:
        return UNMEASURED
    shown, against = (sum(p < LEVEL for p in side) for side in (known, [1 - p for p in known]))
    if shown == len(likelihoods):
        return SHOWN
    if shown:
        return PART
    return OPPOSITE if against else OPEN


def claims_table(claims: list[Claim], frame: pd.DataFrame) -> Table:
    """Every claim with the numbers that bear on it. frame: rows of metrics.csv of one data set,
    perhaps of several runs."""
    rows: list[list[Cell]] = []
    for claim in claims:
        texts, likelihoods = [], []
        for one in claim.shown_by:
            more, less = (_values(frame, model, one.metric) for model in (one.more, one.less))
            likelihoods.append(likelihood(more, less))
            texts.append(_shown(one, more, less, likelihoods[-1]))
        found = verdict(likelihoods)
        cells = [f"{claim.claim} ({claim.source})", "; ".join(texts), found]
        rows.append([Cell(text) for text in cells])
    notes = [
        f"Means over trainings, in brackets how many. A comparison counts where chance alone"
        f" would give it in less than {LEVEL:.0%} of cases (t-test over trainings, one-sided); p"
        f" is that share."
    ]
    heads = ["claim", "measured here", "verdict"]
    return Table("The papers' claims", heads, rows, notes, prose=True)


def _values(frame: pd.DataFrame, model: str, metric: str) -> list[float]:
    own = frame[(frame["model"] == model) & (frame["metric"] == metric)]
    return [float(value) for value in own["value"]]


def _shown(one: Comparison, more: list[float], less: list[float], p: float | None) -> str:
    sides = [
        f"{label(model)} {statistics.fmean(values):.3g} ({len(values)})" if values else None
        for model, values in ((one.more, more), (one.less, less))
    ]
    if None in sides:
        missing = one.more if sides[0] is None else one.less
        return f"{one.metric}: no {label(missing)}"
    chance = "one training each" if p is None else f"p {p:.2g}"
    return f"{one.metric}: {sides[0]} > {sides[1]}? {chance}"
