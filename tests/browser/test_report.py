"""The report of a run, every page of it, on a desk and on a phone."""

import pytest

from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.looking import BLANK, share_of_ground

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]  # with the run they look at
CATEGORIES = ("Control", "Data", "Faces", "Figures", "Meshes", "Samples", "Tables", "Training")
LIGHT = 4 * 2**20  # bytes of the page, most of them Snakemake's own


@pytest.fixture(scope="module")
def report(finished):
    return finished.folder / "results-smoke" / "report.html"


def test_the_page_is_light_and_what_it_shows_lies_beside_it(report):
    assert report.stat().st_size < LIGHT
    assert len(list(report.with_name("report_files").glob("*/viewer.html"))) == 3


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desk", "phone"])
def test_the_first_page_shows_pictures_and_tables(report, see, size):
    seen = see(size)
    seen.open(report)
    page = seen.page
    page.get_by_text("Workflow", exact=True).click()
    page.get_by_text("What was trained").wait_for()
    picture = page.locator("#app figure img").first
    box = picture.bounding_box()
    assert 0 <= box["y"] < size[1], "the first picture is in sight without scrolling"
    assert box["x"] >= 0 and box["x"] + box["width"] <= size[0]
    natural = picture.evaluate("e => e.naturalWidth")
    assert box["width"] >= min(natural, 0.5 * min(size[0], 600))
    tables = page.locator("#app table").filter(has_text="GOF")
    assert tables.count() >= 3
    assert share_of_ground(seen.shot("first")) < BLANK
    text = page.get_by_text("Every number is read").bounding_box()
    assert text["x"] + text["width"] <= size[0], "no line is cut"


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desk", "phone"])
def test_every_page_shows_something(report, see, size):
    seen = see(size)
    seen.open(report)
    page, shown = seen.page, 0
    assert [name for name in CATEGORIES if not page.get_by_text(name, exact=True).count()] == []
    for category in CATEGORIES:
        page.get_by_text(category, exact=True).first.click()
        for number in range(page.locator("a[iconname=eye]").count()):
            page.locator("a[iconname=eye]").nth(number).click()
            looked_at = page.locator("#app div.grow > iframe, #app div.grow img")
            looked_at.first.wait_for()
            if looked_at.first.evaluate("e => e.tagName") == "IFRAME":
                frame = page.frame_locator("#app iframe")
                frame.locator("table, canvas, img").first.wait_for()
                if frame.locator("canvas").count():
                    frame.get_by_text(" vertices,").wait_for()
            else:
                ready = "e => e.complete && e.naturalWidth > 0"
                page.wait_for_function(ready, arg=looked_at.first.element_handle())
            page.wait_for_timeout(300)  # until it is drawn
            picture = seen.shot(f"{category}-{number}", page.locator("#app div.grow").last)
            assert share_of_ground(picture) < BLANK, picture
            shown += 1
        page.locator("nav a").filter(has=page.locator("svg")).nth(1).click()  # home
    assert shown >= 30
