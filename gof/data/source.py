"""What a source of data sets is (`gof.sources` has them)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gof.data.settings import DataSet

if TYPE_CHECKING:
    from gof.experiment.config import Config


@dataclass(frozen=True, slots=True)
class Making:
    """A data set to make: its name and settings, the manifest to write, what its source takes from
    other steps and the records of its assets by name, and the configuration of the call (for its
    record)."""

    name: str
    settings: Any  # of the source's own section
    out: Path
    inputs: Mapping[str, Path]
    config: Config
    assets: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a data set comes from.

    offers: what its sets hold (`gof.data.settings.OFFERS`); inputs: by name the files, below
    results/{dataset}/, that other steps make for it; make: writes a set; fingerprint: what of the
    outside world a set depends on, for the workflow's plan; assets: names of the files to download
    for a set of these settings (`gof.data.assets`).
    """

    name: str
    section: type[DataSet]
    offers: tuple[str, ...]
    make: Callable[[Making], None]
    inputs: Mapping[str, str] = field(default_factory=dict)
    fingerprint: Callable[[Any], str] = lambda _: ""
    assets: Callable[[Any], tuple[str, ...]] = lambda _: ()
