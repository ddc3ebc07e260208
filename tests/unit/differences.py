"""Settings compared with settings that were kept."""

from collections.abc import Iterator
from typing import Any


def differences(got: Any, wanted: Any, at: str) -> Iterator[str]:
    """Places where settings are not as wanted; what is not named may be anything."""
    if isinstance(wanted, dict):
        for key, value in wanted.items():
            inside = got.get(key) if isinstance(got, dict) else None
            yield from differences(inside, value, f"{at}.{key}")
    elif isinstance(wanted, list) and wanted and isinstance(wanted[0], dict):
        if len(got) != len(wanted):
            yield f"{at}: {len(got)} instead of {len(wanted)}"
        for number, pair in enumerate(zip(got, wanted, strict=False)):
            yield from differences(*pair, f"{at}.{number}")
    elif got != wanted:
        yield f"{at}: {got} instead of {wanted}"
