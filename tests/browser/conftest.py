"""A real browser, the system's own Chromium without a window; where there is none, tests skip."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.workflow import ROOT

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# WebGL by the processor alone; a container has no sandbox of its own to offer.
FLAGS = ("--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
DESKTOP, PHONE = (1400, 900), (390, 844)
PATIENCE_MS = 60_000  # of one wait, on a slow machine


@dataclass
class Seen:
    """A page and what its console complained of. allowed: parts of complaints that are not ours."""

    page: object
    folder: Path
    allowed: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def open(self, what: Path | str) -> None:
        self.page.goto(what if isinstance(what, str) else what.resolve().as_uri())

    def shot(self, name: str, of=None) -> Path:
        """A picture of the page, or of a part of it."""
        path = self.folder / f"{name}.png"
        (of or self.page).screenshot(path=path)
        return path

    def heard(self, text: str) -> None:
        if not any(part in text for part in self.allowed):
            self.complaints.append(text)


@pytest.fixture(scope="session")
def chromium():
    """The browser; skips where there is none."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright: pip install '.[dev]'")
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} on this system")
    with api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=found, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def see(chromium, tmp_path) -> Iterator[Callable[..., Seen]]:
    """Opens pages of a size; at the end none of their consoles has an error."""
    opened = []

    def new(size: tuple[int, int] = DESKTOP, allowed: tuple[str, ...] = ()) -> Seen:
        width, height = size
        page = chromium.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(PATIENCE_MS)
        seen = Seen(page, tmp_path, list(allowed))
        page.on("console", lambda said: said.type == "error" and seen.heard(said.text))
        page.on("pageerror", lambda error: seen.heard(str(error)))
        page.on("download", lambda file: seen.heard(f"download: {file.suggested_filename}"))
        opened.append(seen)
        return seen

    yield new
    complaints = [text for seen in opened for text in seen.complaints]
    for seen in opened:
        seen.page.close()
    assert complaints == []


@pytest.fixture
def gof(tmp_path) -> Callable[..., None]:
    """A verb as it is called by hand, in a folder of its own."""

    def call(*words: object) -> None:
        command = [sys.executable, "-m", "gof", *map(str, words)]
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]

    return call
