"""`gof view` with a real browser, and how many frames a second it gives."""

import io
import statistics
import time

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("viser")

from gof.live.asked import Asked, Subject
from gof.live.drawing import draw
from gof.live.page import on_canvas
from gof.models import packaged, pretrained
from tests.unit.live.tab import Tab, served

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
SECONDS = 6.0


def screen(page) -> np.ndarray:
    """What is left of the panel, but for the notice of a browser without a GPU."""
    content = page.screenshot(timeout=120_000)
    picture = np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)
    return picture[200:, 100:900]


def test_a_browser_shows_another_head_for_another_seed(chromium) -> None:
    with served() as (_, port):
        page = chromium.new_page(viewport={"width": 1280, "height": 800})
        page.goto(f"http://127.0.0.1:{port}/", timeout=120_000)

        def rested() -> np.ndarray:
            page.wait_for_selector("text=/^128 px, [0-9]+ ms$/", timeout=120_000)
            time.sleep(2)
            return screen(page)

        before = rested()
        assert before.std() > 20  # a head, no plain surface
        assert page.get_by_text("gof · heads-gof").count() == 1
        page.get_by_text("next ▶").click()
        page.wait_for_function(
            "[...document.querySelectorAll('input')].some(each => each.value === '1')"
        )
        time.sleep(1)
        after = rested()
        assert np.abs(after - before).mean() > 5
        x, y = 450, 400
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 80, y, steps=8)
        page.mouse.up()
        time.sleep(1)
        assert np.abs(rested() - after).mean() > 5
        page.close()


def test_frames_a_second_while_a_slider_moves(capsys) -> None:
    """What is reached from a slider to a frame on the same machine, beside what drawing and
    encoding alone allow: moving pictures takes less than half of the time."""
    import cv2

    subject = Subject(pretrained.load(packaged.FOLDER / "heads-gof.yaml"))
    drawing, encoding = [], []
    for number in range(30):
        frame = draw(subject, Asked(yaw=number / 100), 64)
        start = time.perf_counter()
        cv2.imencode(".jpeg", on_canvas(frame.picture, 1.5, (0, 0, 0)), [1, 80])
        encoding.append(time.perf_counter() - start)
        drawing.append(frame.seconds)
    with served() as (_, port):
        tab = Tab.opened(port)
        tab.rests(128)
        tab.frames.clear()
        start, number = time.monotonic(), 0
        while time.monotonic() - start < SECONDS:
            number += 1
            message = {"uuid": tab.controls["yaw"], "updates": {"value": (number % 80 - 40) / 100}}
            tab.send({"type": "GuiUpdateMessage", **message})
            tab.take(1 / 60)
        rate = len(tab.frames) / SECONDS
        sizes = sorted({Image.open(io.BytesIO(frame)).height for frame in tab.frames})
        tab.connection.close()
    alone = statistics.median(drawing)
    with capsys.disabled():
        print(
            f"\n{rate:.1f} frames a second, {sizes} px a side; drawing 64 px {1000 * alone:.1f} ms"
            f" (least {1000 * min(drawing):.1f}), encoding {1000 * statistics.median(encoding):.2f}"
        )
    assert rate > 0.5 * min(15, 1 / alone)
