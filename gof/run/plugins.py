"""Packages that add to this one: what they name under the entry points `gof.plugins` is imported
once, and registers what it adds (a metric: `gof.metrics.registry.register`)."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points

from gof.config.reading import ConfigError

GROUP = "gof.plugins"


@cache
def load_plugins() -> None:
    """Import what installed packages name as plugins. Raises ConfigError naming one that fails."""
    for point in entry_points(group=GROUP):
        try:
            point.load()
        except Exception as error:  # foreign code: whatever it raises, its name is what helps
            reason = " ".join(str(error).split())[:160]
            raise ConfigError(
                f"plugin {point.name} ({point.value}): {type(error).__name__}: {reason}:"
                " mend or uninstall it"
            ) from None
