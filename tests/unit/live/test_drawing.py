"""The thread that draws, with drawings that take as long as the test says."""

import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from gof.fields.analytic import sphere
from gof.live import drawing
from gof.live.asked import Asked
from gof.live.drawing import Drawing, Frame, Interruptible, Superseded

FIRST = Asked(resolution=256)


class Studio:
    """Notes what is drawn; holds each drawing until the gate is open, unless it becomes stale."""

    def __init__(self, monkeypatch):
        self.drawn: list[tuple[int, int | None]] = []
        self.given_up: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self.seconds = 0.03
        monkeypatch.setattr(drawing, "draw", self.draw)

    def draw(self, subject, asked, draft, stale):
        self.drawn.append((asked.seed, draft))
        while not self.gate.wait(0.005):
            if stale():
                self.given_up.append(asked.seed)
                raise Superseded
        if asked.seed == 13:
            raise RuntimeError("bad luck")
        return Frame(np.zeros((2, 2, 3), np.uint8), asked, draft is not None, self.seconds)


@pytest.fixture
def studio(monkeypatch):
    return Studio(monkeypatch)


@pytest.fixture
def thread(studio):
    found = Drawing(None)
    yield found
    found.stop()
    assert not found._thread.is_alive()


def until(holds, seconds=10):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


def asked(seed):
    return replace(FIRST, seed=seed)


def test_first_a_draft_then_the_picture_itself(studio, thread) -> None:
    shown = []
    thread.ask(0, asked(1), shown.append)
    until(lambda: len(shown) == 2)
    assert [frame.draft for frame in shown] == [True, False]
    time.sleep(0.2)
    assert studio.drawn == [(1, 64), (1, None)]


def test_of_many_wishes_the_latest_counts(studio, thread) -> None:
    shown = []
    studio.gate.clear()
    thread.ask(0, asked(1), shown.append)
    until(lambda: studio.drawn)
    for seed in range(2, 500):
        thread.ask(0, asked(seed), shown.append)
    studio.gate.set()
    until(lambda: shown and not shown[-1].draft)
    assert studio.drawn == [(1, 64), (499, 64), (499, None)]


def test_while_something_moves_there_are_drafts_alone(studio, thread, monkeypatch) -> None:
    monkeypatch.setattr(drawing, "REST_S", 5.0)
    shown = []
    for seed in range(12):
        thread.ask(0, asked(seed), shown.append)
        until(lambda at=seed: shown and shown[-1].asked.seed == at)
        time.sleep(0.01)
    assert all(frame.draft for frame in shown)


def test_a_picture_is_given_up_for_a_draft(studio, thread) -> None:
    shown = []
    thread.ask(0, asked(1), shown.append)
    until(lambda: shown)
    studio.gate.clear()
    until(lambda: (1, None) in studio.drawn)
    thread.ask(1, asked(2), shown.append)  # another page's
    until(lambda: studio.given_up == [1])
    studio.gate.set()
    until(lambda: sum(not frame.draft for frame in shown) == 2)  # the first one's is drawn after it
    assert studio.drawn.count((1, None)) == 2


def test_pages_take_turns(studio, thread) -> None:
    shown = []
    studio.gate.clear()
    thread.ask(0, asked(0), shown.append)
    until(lambda: studio.drawn)
    for page in (0, 1, 2):
        thread.ask(page, asked(10 * page), shown.append)
    studio.gate.set()
    until(lambda: len([frame for frame in shown if frame.draft]) == 4)
    assert [seed for seed, draft in studio.drawn if draft] == [0, 10, 20, 0]


def test_a_closed_page_is_not_drawn(studio, thread) -> None:
    shown = []
    studio.gate.clear()
    thread.ask(0, asked(1), shown.append)
    until(lambda: studio.drawn)
    thread.ask(1, asked(2), shown.append)
    thread.leave(0)
    thread.leave(1)
    studio.gate.set()
    time.sleep(0.3)
    assert studio.drawn == [(1, 64)]


def test_other_work_is_done_between(studio, thread) -> None:
    done = []
    thread.do(lambda: done.append(threading.current_thread()))
    until(lambda: done)
    assert done == [thread._thread]


def test_a_failure_is_one_line_and_ends_nothing(studio, thread, capsys) -> None:
    shown = []
    thread.ask(0, asked(13), shown.append)
    until(lambda: len(studio.drawn) == 2)
    thread.ask(0, asked(1), shown.append)
    until(lambda: len(shown) == 2)
    assert capsys.readouterr().err == 2 * "gof view: RuntimeError: bad luck\n"


@pytest.mark.parametrize(
    ("seconds", "sizes"), [(0.2, (64, 32, 32)), (0.06, (64, 64, 64)), (0.001, (64, 128, 128))]
)
def test_drafts_are_as_large_as_the_machine_allows(studio, thread, seconds, sizes) -> None:
    studio.seconds, shown = seconds, []
    for seed in range(3):
        thread.ask(0, asked(seed), shown.append)
        until(lambda at=seed: shown and shown[-1].asked.seed == at)
    assert tuple(draft for _, draft in studio.drawn if draft) == sizes


def test_no_draft_is_larger_than_the_picture(studio, thread) -> None:
    thread.ask(0, replace(FIRST, resolution=48), lambda _: None)
    until(lambda: studio.drawn)
    assert studio.drawn[0] == (0, 48)


def test_a_field_is_left_once_it_is_stale() -> None:
    stale = []
    field = Interruptible(sphere(0.07), lambda: bool(stale))
    points = torch.zeros(1, 2, 3)
    assert torch.equal(field.logits(points), sphere(0.07).logits(points))
    assert field.difference is None
    stale.append(True)
    for call in (lambda: field.logits(points), lambda: field.radiance(points, points)):
        with pytest.raises(Superseded):
            call()
