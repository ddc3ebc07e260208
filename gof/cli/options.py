"""What the verbs of the command line share: their options, and the configuration of a call."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gof.experiment.config import Config

Options = argparse.Namespace
Option = tuple[str, dict[str, Any]]  # a flag and the arguments of argparse's add_argument
Verbs = dict[str, tuple[Callable[[Options], None], list[Option]]]


def configuration(options: Options) -> Config:
    """The configuration of a call; runtime sections it leaves open come from the environment
    (GOF_RUNTIME)."""
    from gof.experiment.config import Config

    config = Config.load(*options.config)
    runtime = os.environ.get("GOF_RUNTIME")
    return config.with_runtime(Config.load(runtime)) if runtime else config


def out(text: str) -> Option:
    """The option that names what is written."""
    return "--out", {"type": Path, "required": True, "help": text}


def file(flag: str, text: str, required: bool = True) -> Option:
    """An option that names a file."""
    return flag, {"type": Path, "required": required, "help": text}


def choice(flag: str, choices: tuple[str, ...], text: str, default: str | None = None) -> Option:
    """An option with one of a few values."""
    settings = {"choices": choices, "default": default, "required": default is None, "help": text}
    return flag, settings


CONFIG: Option = (
    "--config",
    {
        "nargs": "+",
        "default": ["config.yaml"],
        "help": "YAML files, later ones on top, or JSON text (default: config.yaml)",
    },
)
RECORDS: Option = ("records", {"type": Path, "nargs": "+", "help": "JSON records of jobs"})
MANIFEST = file("--data", "manifest.json of the data set")
GENERATOR = file("--generator", "generator.yaml of a trained stage")
