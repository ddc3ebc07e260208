"""Registries: what can be added to the package, each in a file of its own.

The modules of a room that define a constant of a given name are found by themselves. Other packages
add theirs through the entry-point group `gof.plugins`: what an entry point names is imported, and
calls `register`.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from importlib.metadata import entry_points
from typing import Generic, Protocol, TypeVar

from gof.config.reading import ConfigError

PLUGINS = "gof.plugins"


class Named(Protocol):
    """What a registry holds."""

    @property
    def name(self) -> str:
        """What it is called in configurations and on the command line."""


T = TypeVar("T", bound=Named)


class Registry(Generic[T]):
    """Entries of one kind, by name. room: the package whose modules may define `constant`."""

    def __init__(self, kind: str, room: str, constant: str) -> None:
        self.kind = kind
        self._room, self._constant = room, constant
        self._found: dict[str, T] | None = None
        self._added: dict[str, T] = {}

    def register(self, entry: T) -> T:
        """Add an entry, from outside the package."""
        self._added[entry.name] = entry
        return entry

    def forget(self, name: str) -> None:
        """Take back what was registered."""
        self._added.pop(name, None)

    def all(self) -> dict[str, T]:
        """All entries, those of the room first, in the order of their modules' names."""
        if self._found is None:
            self._found = self._discovered()
            load_plugins()
        return self._found | self._added

    def __getitem__(self, name: str) -> T:
        """An entry. Raises ConfigError naming those there are."""
        known = self.all()
        if name not in known:
            raise ConfigError(f"no {self.kind} named {name!r}; there are {', '.join(known)}")
        return known[name]

    def _discovered(self) -> dict[str, T]:
        package = importlib.import_module(self._room)
        found = {}
        for module in pkgutil.iter_modules(package.__path__, f"{self._room}."):
            entry = getattr(importlib.import_module(module.name), self._constant, None)
            if entry is not None:
                found[entry.name] = entry
        return found


@cache
def load_plugins() -> tuple[str, ...]:
    """Import what other packages add; their names. Raises ConfigError naming one that fails."""
    names = []
    for point in entry_points(group=PLUGINS):
        try:
            point.load()
        except Exception as error:  # whatever a foreign module raises
            reason = " ".join(str(error).split())[:160]
            raise ConfigError(f"plugin {point.name}: {type(error).__name__}: {reason}") from None
        names.append(point.name)
    return tuple(names)
