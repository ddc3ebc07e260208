"""The verbs: what each is called, does and needs. Their modules are named, not imported, so that a
list of verbs waits for none of them.

The modules of `gof.cli.verbs` each hold a group of verbs.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from gof.config.registry import Registry

Needs = Literal["nothing", "settings", "experiment"]


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb. summary: one line; example: a whole call; group: the heading it stands under.

    job names the frozen dataclass that holds its options ("module:Class"; the text under a field is
    its help), run the function that does the work ("module:function"). needs: an experiment's
    configuration, settings that all have defaults, or nothing; `run` is called with (config, job),
    with (job) where nothing is needed.
    """

    name: str
    summary: str
    example: str
    group: str
    job: str
    run: str
    needs: Needs = "settings"

    def job_class(self) -> type[Any]:
        """The dataclass of its options."""
        found = _named(self.job)
        assert isinstance(found, type)
        return found

    def function(self) -> Callable[..., None]:
        """What does the work."""
        found: Callable[..., None] = _named(self.run)
        return found


def _named(place: str) -> Any:
    module, name = place.split(":")
    return getattr(importlib.import_module(module), name)


VERBS: Registry[Verb] = Registry("verb", "gof.cli.verbs", "VERBS")
