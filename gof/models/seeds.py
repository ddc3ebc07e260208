"""Heads by number."""

from __future__ import annotations

import re

from gof.run.files import InputError

MOST = 10_000
PART = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?")


def seeds_of(text: str) -> list[int]:
    """ "0-3,7" -> [0, 1, 2, 3, 7]. Raises InputError for what is no such list, or a longer one than
    MOST."""
    found: list[int] = []
    for part in text.split(","):
        match = PART.fullmatch(part.strip())
        low, high = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if low > high:
            raise InputError(f"--seeds: {part!r}: numbers and ranges, like 0-3,7")
        if len(found) + high - low >= MOST:
            raise InputError(f"--seeds: more than {MOST:,} heads: call again for the others")
        found += range(low, high + 1)
    return found
