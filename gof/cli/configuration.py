"""The configuration of a call."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gof.config.errors import ConfigError

if TYPE_CHECKING:
    from gof.cli.registry import Verb
    from gof.experiment.config import Config

USUAL = Path("config.yaml")
UNTRACKED = {"tracking": {"enabled": False}}


def configuration(verb: Verb, sources: Sequence[str]) -> Config:
    """What `--config` names, else config.yaml in the current folder, else, for verbs that do
    without an experiment, the defaults, which are not tracked anywhere. Runtime sections it leaves
    open come from the environment (GOF_RUNTIME).

    Raises ConfigError where an experiment is needed and none is here.
    """
    from gof.experiment.config import Config

    if not sources and USUAL.is_file():
        sources = [str(USUAL)]
    if not sources and verb.needs == "experiment":
        raise ConfigError(
            f"gof {verb.name}: no {USUAL} in this folder: go to that of the experiment, or give"
            " --config FILE"
        )
    config = Config.load(*sources) if sources else Config.parse(UNTRACKED)
    runtime = os.environ.get("GOF_RUNTIME")
    return config.with_runtime(Config.load(runtime)) if runtime else config
