"""Configuration files: read strictly, laid on top of each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml


class ConfigError(ValueError):
    """A configuration that cannot be used; the text is one line and names the key."""


def read(source: str) -> dict[str, Any]:
    """Values of a YAML file, or of JSON text."""
    text = source if source.lstrip().startswith("{") else None
    source = "--config" if text else source
    try:
        values = json.loads(text) if text else yaml.safe_load(Path(source).read_text())
    except OSError as error:
        raise ConfigError(
            f"{source}: cannot be read ({error.strerror}): name a YAML file"
        ) from None
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{source}: not valid: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{source}: expected a mapping of sections at the top level")
    return values


def merged(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """base with change on top; mappings are merged key by key, as Snakemake does with several
    --configfile."""
    both = {**base, **change}
    for key in base.keys() & change.keys():
        if isinstance(base[key], dict) and isinstance(change[key], dict):
            both[key] = merged(base[key], change[key])
    return both
