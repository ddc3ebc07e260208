"""Registries: what can be added to the package, each in a file of its own.

The modules of a room that define a constant of a given name are found by themselves. Other packages
add theirs through the entry-point group `gof.plugins`: what an entry point names is imported, and
calls `register`. Configuration and command line import these modules, so they import torch and what
computes inside their functions.
"""

from __future__ import annotations

import importlib
import re
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from gof.config.errors import ConfigError

PLUGINS = "gof.plugins"


class Named(Protocol):
    """What a registry holds."""

    @property
    def name(self) -> str:
        """What it is called in configurations and on the command line."""


T = TypeVar("T", bound=Named)


class Registry(Generic[T]):
    """Entries of one kind, by name. room: the package whose modules may define `constant`, an entry
    or a tuple of entries; the room's other modules are not imported."""

    def __init__(self, kind: str, room: str, constant: str) -> None:
        self.kind = kind
        self._room, self._constant = room, constant
        self._found: dict[str, T] | None = None
        self._added: dict[str, T] = {}

    def register(self, entry: T) -> T:
        """Add an entry from outside the package. Raises ConfigError where its name is taken."""
        if entry.name in self.own() or self._added.get(entry.name, entry) != entry:
            what = f"a {self.kind} named {entry.name!r}"
            raise ConfigError(f"{what} is there already: give it another name")
        self._added[entry.name] = entry
        return entry

    def forget(self, name: str) -> None:
        """Take back what was registered."""
        self._added.pop(name, None)

    def own(self) -> dict[str, T]:
        """Those of the room, in the order of their modules' names."""
        if self._found is None:
            package = importlib.import_module(self._room)
            found: list[T] = []
            for path in sorted(Path(package.__path__[0]).glob("*.py")):
                if re.search(rf"^{self._constant}\b", path.read_text(), re.M):
                    module = importlib.import_module(f"{self._room}.{path.stem}")
                    entry = getattr(module, self._constant)
                    found += entry if isinstance(entry, tuple) else (entry,)
            self._found = {entry.name: entry for entry in found}
        return self._found

    def all(self) -> dict[str, T]:
        """All entries, those of the room first. Raises ConfigError for a plugin that fails."""
        load_plugins()
        return self.own() | self._added

    def find(self, name: str) -> T | None:
        """An entry; plugins are loaded only for a name that is none of the room's. Raises
        ConfigError for a plugin that fails."""
        return self.own().get(name) or self.all().get(name)

    def __getitem__(self, name: str) -> T:
        """An entry. Raises ConfigError naming those there are."""
        found = self.find(name)
        if found is None:
            raise ConfigError(f"no {self.kind} named {name!r}; there are {', '.join(self.all())}")
        return found


@cache
def load_plugins() -> tuple[str, ...]:
    """Import what other packages add; their names. Raises ConfigError naming one that fails."""
    names = []
    for point in entry_points(group=PLUGINS):
        try:
            point.load()
        except Exception as error:  # foreign code: whatever it raises, its name is what helps
            reason = " ".join(str(error).split())[:160]
            raise ConfigError(
                f"plugin {point.name} ({point.value}): {type(error).__name__}: {reason}:"
                " mend or uninstall it"
            ) from None
        names.append(point.name)
    return tuple(names)
