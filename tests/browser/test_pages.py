"""The pages that lie among results and those that verbs write: they open, turn and fit a phone."""

import numpy as np
import pytest
import trimesh

from gof.shapes.viewer import viewer
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.looking import BLANK, pixels, share_changed, share_of_ground

SIZES = pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desk", "phone"])
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]  # with the run they look at


@pytest.fixture(scope="module")
def results(finished):
    return finished.folder / "results-smoke"


def turned(seen):
    """Drags the shape a little to the right; the share of its picture that changed."""
    page = seen.page
    page.get_by_text(" vertices,").wait_for()
    page.wait_for_timeout(300)
    canvas = page.locator("canvas")
    before, box = seen.shot("before", canvas), canvas.bounding_box()
    assert 0.1 < share_of_ground(before) < 0.98
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] + 120, middle[1], steps=4)
    page.mouse.up()
    page.wait_for_timeout(300)
    return share_changed(before, seen.shot("after", canvas))


def fits(seen, size):
    return seen.page.evaluate("document.documentElement.scrollWidth") <= size[0]


@SIZES
@pytest.mark.parametrize("model", ["gof", "cgof"])
def test_meshes_of_a_training_turn(results, see, size, model):
    seen = see(size)
    seen.open(results / f"heads/{model}/seed0/meshes/viewer.html")
    assert turned(seen) > 0.02
    seen.page.get_by_text("Normals", exact=True).click()
    seen.page.get_by_text("Reset", exact=True).click()
    assert fits(seen, size)


def test_a_viewer_shows_the_mesh_it_was_given(see, tmp_path):
    box = trimesh.creation.box((0.1, 0.2, 0.1))
    box.visual.vertex_colors = np.tile([255, 0, 0, 255], (len(box.vertices), 1))
    (tmp_path / "box.html").write_text(viewer({"a red box": box}, "box"))
    seen = see()
    seen.open(tmp_path / "box.html")
    seen.page.get_by_text("a red box: 8 vertices, 12 faces").wait_for()
    seen.page.wait_for_timeout(300)
    shown = pixels(seen.shot("box", seen.page.locator("canvas")))
    red = (shown == (255, 0, 0)).all(-1)
    assert 0.05 < red.mean() < 0.6
    assert red[shown.shape[0] // 2, shown.shape[1] // 2] and not red[0, 0]


@SIZES
def test_the_overview_has_pictures_and_tables(results, see, size):
    seen = see(size)
    seen.open(results / "tables/overview.html")
    page = seen.page
    for picture in page.locator("figure img").all():
        assert picture.evaluate("e => e.complete && e.naturalWidth") > 40
    assert page.locator("figure img").count() == 3
    assert page.locator("table").count() >= 3
    assert share_of_ground(seen.shot("overview")) < BLANK
    page.get_by_text("How this was measured").first.click()
    page.get_by_text("Mean ± standard deviation").first.wait_for()
    assert fits(seen, size)


@SIZES
def test_two_runs_side_by_side(results, see, size, tmp_path, gof):
    other = tmp_path / "other"
    for name in ("tables/metrics.csv", "heads/gof/seed0/samples/sheet.png"):
        (other / name).parent.mkdir(parents=True, exist_ok=True)
        (other / name).write_bytes((results / name).read_bytes())
    gof("compare", results, other, "--out", tmp_path / "compare.html")
    seen = see(size)
    seen.open(tmp_path / "compare.html")
    page = seen.page
    assert page.locator("figure img").count() == 4  # three models, one of them twice
    widths = page.locator("figure img").evaluate_all("all => all.map(e => e.naturalWidth)")
    assert min(widths) > 40  # of the smoke run
    assert page.locator("table tr").filter(has_text="GOF: ").count() > 5
    assert share_of_ground(seen.shot("compare")) < BLANK
    assert fits(seen, size)


@SIZES
def test_a_table_is_a_table(results, see, size):
    seen = see(size)
    seen.open(results / "tables/comparison.html")
    assert seen.page.get_by_role("row").count() >= 6
    assert seen.page.get_by_text("pi-GAN").first.is_visible()
    assert fits(seen, size)


def test_a_mesh_page_of_a_packaged_generator_turns(see, tmp_path, gof):
    gof("mesh", "--generator", "heads-gof", "--out", tmp_path / "heads.html")
    seen = see()
    seen.open(tmp_path / "heads.html")
    assert turned(seen) > 0.02
