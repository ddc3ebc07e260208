"""docs/reliability.md names a test for each promise."""

import re
from pathlib import Path

PAGE = Path("docs/reliability.md")


def test_every_test_that_is_named_is_there() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE.read_text())
    assert len(named) > 20 and len(set(named)) == len(named)
    for path, name in named:
        assert f"\ndef {name}(" in Path(path).read_text(), (path, name)


def test_every_promise_names_one() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    promises = [row for row in rows if not row.startswith("| promise")]
    assert all("::" in row for row in promises)
