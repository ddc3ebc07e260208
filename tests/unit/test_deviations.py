import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_test_that_a_deviation_names_exists() -> None:
    named = re.findall(r"`(tests/[^`]+)`", (ROOT / "docs" / "deviations.md").read_text())
    assert len(named) > 30
    assert [name for name in named if not (ROOT / name).exists()] == []
