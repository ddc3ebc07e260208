"""Generators that come with the package, called by name: `gof samples --generator heads-gof`. A
card beside each says what it was taught with and how good it is."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """What there is."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def statistics(generator: Path) -> Path | None:
    """What the coefficients of a packaged conditional generator mean, where that comes along."""
    beside = generator.with_suffix(".statistics.npz")
    return beside if generator.parent == FOLDER and beside.is_file() else None


def located(generator: Path) -> Path:
    """The description of a generator that may be called by the name of a packaged one; a file or
    folder of that name comes first."""
    packaged = FOLDER / f"{generator}.yaml"
    known = generator.name == str(generator) and packaged.is_file()
    return packaged if known and not generator.exists() else generator
