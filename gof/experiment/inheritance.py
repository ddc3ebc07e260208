"""What models share, and what one takes over from another, before anything is validated."""

from __future__ import annotations

from typing import Any

from gof.config.errors import ConfigError
from gof.config.reading import merged

EXTENDS = "extends"


def resolved(values: dict[str, Any]) -> dict[str, Any]:
    """The configuration with every model written out: `common` below each, `extends` followed,
    what is null taken away. Raises ConfigError for one that extends itself or nothing."""
    found = dict(values)
    if isinstance(datasets := values.get("datasets"), dict):
        found["datasets"] = {name: own for name, own in datasets.items() if own is not None}
    models, common = values.get("models"), values.get("common") or {}
    if not isinstance(models, dict) or not isinstance(common, dict):
        return found
    wholes = {name: _whole(models, name, ()) for name, own in models.items() if own is not None}
    found["models"] = {
        name: merged(common, whole) if isinstance(whole, dict) else whole
        for name, whole in wholes.items()
    }
    found.pop("common", None)
    return found


def _whole(models: dict[str, Any], name: str, after: tuple[str, ...]) -> Any:
    own = models[name]
    if not isinstance(own, dict) or EXTENDS not in own:
        return own
    base, rest = own[EXTENDS], {key: value for key, value in own.items() if key != EXTENDS}
    if base in (*after, name):
        raise ConfigError(f"models.{name}.{EXTENDS}: {' > '.join((*after, name, str(base)))}")
    if not isinstance(base, str) or not isinstance(models.get(base), dict):
        others = [key for key, value in models.items() if value is not None and key != name]
        known = ", ".join(others) or "none"
        raise ConfigError(f"models.{name}.{EXTENDS}: no model {base!r}; there are {known}")
    return merged(_whole(models, base, (*after, name)), rest)
