"""Verbs about an experiment as such: its configuration, and what MLflow knows of it."""

from __future__ import annotations

import sys
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gof.experiment.config import Config


@dataclass(frozen=True, slots=True)
class SyncJob:
    """`gof sync`."""

    places: tuple[Path, ...] = ()
    """folders (default: the results)"""
    _: KW_ONLY
    follow: bool = False
    """go on until the standard input ends"""


@dataclass(frozen=True, slots=True)
class SchemaJob:
    """`gof schema`, which has no options."""


@dataclass(frozen=True, slots=True)
class CheckJob:
    """`gof check`, whose only option is the configuration."""


def run_sync(config: Config, job: SyncJob) -> None:
    """Copy what MLflow does not have yet into it. Raises MachineError when it cannot be
    reached."""
    from gof.run import mirror
    from gof.run.files import say

    results = Path(config.pathvars.get("results", "results"))
    places = job.places or (results,)
    if job.follow:
        mirror.follow(places, config.tracking, results)
    else:
        say(f"{mirror.sync(places, config.tracking, results)} runs brought up to date")


def run_schema(_: SchemaJob) -> None:
    """Print the JSON schema of the configuration."""
    from gof.experiment.schema import schema
    from gof.run.files import say

    sys.stdout.write(schema())
    sys.stdout.flush()
    say("wrote the JSON schema to the standard output")


def run_check(config: Config, _: CheckJob) -> None:
    """Print the stages of every model of a configuration that has been read without fault. Raises
    ConfigError where what is measured does not fit what is trained."""
    from gof.experiment import scopes

    scopes.check_metrics(config)
    for name, model in config.models.items():
        lengths = [
            f"{s.minutes:g} minutes" if s.minutes else f"{s.steps} steps" for s in model.stages
        ]
        sizes = [f"{stage.resolution} px" for stage in model.stages]
        stages = " > ".join(map(", ".join, zip(sizes, lengths, strict=True)))
        print(f"{name}: {model.integrator}, {stages}")
    print("valid; nothing written")
