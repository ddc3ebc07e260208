"""The thread that draws. Of what a page asks for only the latest counts: at once a draft of it, and
once nothing has changed for a moment the picture itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from torch import Tensor

from gof.fields.field import Field
from gof.live.asked import Asked, Subject, picture
from gof.pictures.views import field_views
from gof.run.files import say

FRAME_S = 1 / 15  # that a draft is to take
DRAFTS = (32, 64, 128)  # pixels a side
SLOW = 1.5 * FRAME_S  # what takes longer makes drafts smaller
QUICK = FRAME_S / 3  # what takes less, larger: at four times the pixels it is not SLOW yet
REST_S = 0.15  # without a change, after which the picture itself is drawn


class Superseded(Exception):
    """What is being drawn is no longer asked for."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A drawn picture [r, r, 3] uint8, what was asked for, and how long it took; draft: small and
    quick."""

    picture: np.ndarray
    asked: Asked
    draft: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class Interruptible:
    """A field that raises Superseded once `stale` says so."""

    field: Field
    stale: Callable[[], bool]

    @property
    def difference(self) -> float | None:
        """That of the field, where it has one."""
        return getattr(self.field, "difference", None)

    def logits(self, points: Tensor) -> Tensor:
        """See `gof.fields.field.Field.logits`."""
        self._go_on()
        return self.field.logits(points)

    def radiance(self, points: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        """See `gof.fields.field.Field.radiance`."""
        self._go_on()
        return self.field.radiance(points, directions)

    def _go_on(self) -> None:
        if self.stale():
            raise Superseded


def draw(
    subject: Subject, asked: Asked, draft: int | None, stale: Callable[[], bool] = lambda: False
) -> Frame:
    """What is asked for, or a draft of it in so many pixels a side. Raises Superseded once it is
    stale."""
    start = time.perf_counter()
    request = subject.request(asked, draft)
    field = Interruptible(subject.model.bind(request.latents, request.truncation), stale)
    shown = picture(field_views(subject.model, field, request), asked.shown)
    return Frame(shown, asked, draft is not None, time.perf_counter() - start)


@dataclass(slots=True)
class _Page:
    """A page as the thread sees it: what is asked for since when, and what was drawn of it."""

    show: Callable[[Frame], None]
    asked: Asked
    since: float
    draft: bool = False  # there is one of what is asked for
    whole: bool = False  # the picture itself is drawn
    served: float = 0.0

    def due(self) -> float:
        """When the picture itself is to be drawn."""
        return self.since + REST_S


class Drawing:
    """Draws for all pages in one thread, a draft for each in turn before any picture itself, which
    is given up when something else is asked for meanwhile. Between pictures it does other work that
    needs the generator."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._pages: dict[int, _Page] = {}
        self._tasks: list[Callable[[], None]] = []
        self._changed = threading.Condition()
        self._stopped = False
        self._size = DRAFTS[1]
        self._thread = threading.Thread(target=self._run, name="drawing", daemon=True)
        self._thread.start()

    def ask(self, page: int, asked: Asked, show: Callable[[Frame], None]) -> None:
        """Have a page's picture drawn; what it asked for before and is not drawn yet never is.
        show: called by the thread, for the draft and for the picture."""
        with self._changed:
            served = self._pages[page].served if page in self._pages else 0.0
            self._pages[page] = _Page(show, asked, time.monotonic(), served=served)
            self._changed.notify()

    def do(self, task: Callable[[], None]) -> None:
        """Have some other work done."""
        with self._changed:
            self._tasks.append(task)
            self._changed.notify()

    def leave(self, page: int) -> None:
        """Draw nothing more for a page that was closed."""
        with self._changed:
            self._pages.pop(page, None)

    def stop(self) -> None:
        """End the thread, within what one call of the field takes."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join(5)

    def _run(self) -> None:
        while (work := self._next()) is not None:
            try:
                work()
            except Superseded:
                pass
            except Exception as error:  # one picture's failure ends no other
                say(f"gof view: {type(error).__name__}: {' '.join(str(error).split())}")

    def _next(self) -> Callable[[], None] | None:
        """What to do now, once there is something; None at the end."""
        with self._changed:
            while not self._stopped:
                now = time.monotonic()
                if drafts := [page for page in self._pages.values() if not page.draft]:
                    page = min(drafts, key=lambda page: page.served)
                    page.draft, page.served = True, now
                    return partial(self._draft, page)
                if self._tasks:
                    return self._tasks.pop(0)
                rough = [page for page in self._pages.values() if not page.whole]
                first = min(rough, key=_Page.due, default=None)
                if first is not None and first.due() <= now:
                    first.whole = True
                    return partial(self._whole, first)
                self._changed.wait(None if first is None else first.due() - now)
        return None

    def _draft(self, page: _Page) -> None:
        size = min(self._size, page.asked.resolution)
        frame = draw(self._subject, page.asked, size, lambda: self._stopped)
        page.show(frame)
        at = DRAFTS.index(self._size)
        if frame.seconds > SLOW and at > 0:
            self._size = DRAFTS[at - 1]
        elif frame.seconds < QUICK and at + 1 < len(DRAFTS):
            self._size = DRAFTS[at + 1]

    def _whole(self, page: _Page) -> None:
        try:
            frame = draw(self._subject, page.asked, None, lambda: self._superseded(page))
        except Superseded:
            page.whole = False
            raise
        page.show(frame)

    def _superseded(self, page: _Page) -> bool:
        """Whether a picture that is being drawn should be given up: it is no longer asked for, or
        some page waits for a draft."""
        with self._changed:
            known = any(page is other for other in self._pages.values())
            waits = any(not other.draft for other in self._pages.values())
            return self._stopped or not known or waits
