"""Configuration files: read strictly, laid on top of each other."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

INLINE = "--config"  # how errors name values that stood in no file
MAX_BYTES = 2**20


class ConfigError(ValueError):
    """A configuration that cannot be used; the text is one line and names the key."""


def read(source: str) -> dict[str, Any]:
    """Values of a YAML 1.2 file, or of JSON text, which starts with a brace.

    Raises ConfigError, in one line, for what cannot be read, a key that stands twice, and numbers
    that are not finite.
    """
    text = source if source.lstrip().startswith("{") else None
    name = INLINE if text else source
    try:
        values = _json(text) if text else _yaml(Path(source))
    except OSError as error:
        raise ConfigError(f"{name}: cannot be read ({error.strerror}): name a YAML file") from None
    except RecursionError:
        raise ConfigError(f"{name}: nested too deeply") from None
    except (YAMLError, ValueError) as error:
        reason = getattr(error, "problem", None) or str(error)
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark else ""
        raise ConfigError(f"{name}: not valid: {line}{' '.join(str(reason).split())}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{name}: expected a mapping of sections at the top level")
    return values


def _yaml(path: Path) -> Any:
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"more than {MAX_BYTES:,} bytes")
    # YAML 1.2: no number is octal for a leading zero, none is in base 60, and `no` is a word.
    return _finite(YAML(typ="safe", pure=True).load(path.read_text()), "")


def _json(text: str) -> Any:
    return _finite(json.loads(text, object_pairs_hook=_once), "")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"key {twice!r} stands twice")
    return found


def _finite(value: Any, place: str) -> Any:
    """The value itself. Raises ValueError naming the key of a number that is not finite."""
    if isinstance(value, dict):
        for key, part in value.items():
            _finite(part, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list):
        for number, part in enumerate(value):
            _finite(part, f"{place}.{number}")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{place}: {value} is no finite number")
    return value


def merged(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """base with change on top; mappings are merged key by key, as Snakemake does with several
    --configfile."""
    both = {**base, **change}
    for key in base.keys() & change.keys():
        if isinstance(base[key], dict) and isinstance(change[key], dict):
            both[key] = merged(base[key], change[key])
    return both
