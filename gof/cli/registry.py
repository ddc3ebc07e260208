"""The verbs: what each is called, does and needs. Their modules are named, not imported, so that a
list of verbs waits for none of them.

The modules of `gof.cli.verbs` each hold a group of verbs and are found by themselves; another
package adds its own by `register`, called by what it names in the entry-point group `gof.plugins`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

PLUGINS = "gof.plugins"
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


_ADDED: dict[str, Verb] = {}


def register(verb: Verb) -> Verb:
    """Add a verb from outside the package. Raises ConfigError where its name is taken."""
    from gof.config.reading import ConfigError

    if verb.name in _own() or _ADDED.get(verb.name, verb) != verb:
        raise ConfigError(f"a verb named {verb.name!r} is there already: give it another name")
    _ADDED[verb.name] = verb
    return verb


def forget(name: str) -> None:
    """Take back what was registered."""
    _ADDED.pop(name, None)


def find(name: str) -> Verb | None:
    """The verb of this name; plugins are loaded only where it is none of the package's own. Raises
    ConfigError for a plugin that cannot be loaded."""
    if name in _own():
        return _own()[name]
    load_plugins()
    return _ADDED.get(name)


def all_verbs() -> dict[str, Verb]:
    """All verbs, those of the package first. Raises ConfigError for a plugin that cannot be
    loaded."""
    load_plugins()
    return _own() | _ADDED


@cache
def _own() -> dict[str, Verb]:
    package = importlib.import_module("gof.cli.verbs")
    found = [
        verb
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
        for verb in importlib.import_module(module.name).VERBS
    ]
    return {verb.name: verb for verb in found}


@cache
def load_plugins() -> None:
    """Import what other packages add. Raises ConfigError naming one that fails."""
    from importlib.metadata import entry_points

    for point in entry_points(group=PLUGINS):
        try:
            point.load()
        except Exception as error:  # whatever a foreign module raises
            from gof.config.reading import ConfigError

            reason = " ".join(str(error).split())[:160]
            raise ConfigError(f"plugin {point.name}: {type(error).__name__}: {reason}") from None
