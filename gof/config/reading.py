"""Configuration files: read strictly, laid on top of each other."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from gof.config.errors import ConfigError

INLINE = "--config"  # how errors name values that stood in no file
MAX_BYTES = 2**20
LARGEST = 2**31  # no count, size, weight or seed is beyond it: a slip of the keyboard


def read(source: str) -> dict[str, Any]:
    """Values of a YAML 1.2 file, or of JSON text, which starts with a brace.

    Raises ConfigError, in one line, for what cannot be read, a key that stands twice, and numbers
    that are not finite or beyond all sense.
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
    return sensible(YAML(typ="safe", pure=True).load(path.read_text()))


def _json(text: str) -> Any:
    return sensible(json.loads(text, object_pairs_hook=_once))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"key {twice!r} stands twice")
    return found


def sensible(value: Any, place: str = "") -> Any:
    """The value itself. Raises ConfigError naming the key of a number that is not finite, or beyond
    all sense: sections bound their own numbers more tightly."""
    parts: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        parts = value.items()
    elif isinstance(value, list | tuple):
        parts = enumerate(value)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{place}: {value} is no finite number")
    elif isinstance(value, int | float) and abs(value) > LARGEST:
        raise ConfigError(f"{place}: {str(value)[:20]} is beyond all sense (at most {LARGEST:,})")
    for key, part in parts:
        sensible(part, f"{place}.{key}" if place else str(key))
    return value


def merged(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """base with change on top; mappings are merged key by key, as Snakemake does with several
    --configfile."""
    both = {**base, **change}
    for key in base.keys() & change.keys():
        if isinstance(base[key], dict) and isinstance(change[key], dict):
            both[key] = merged(base[key], change[key])
    return both
