"""The page as its tabs see it."""

import io
import math

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("viser")

from gof.geometry.glb import glb
from gof.live.asked import Asked
from gof.live.jobs import ViewJob
from gof.live.page import on_canvas
from gof.live.server import serve, subject_of
from gof.pictures.api import Heads
from tests.unit.live.tab import Tab

SIZE = 136  # of the picture itself: no draft is as large


@pytest.fixture(scope="module")
def job(obedience):
    own, known = obedience.generator("cgof"), obedience.statistics
    given = {"statistics": known, "seed": 3, "truncation": 1.0, "resolution": SIZE}
    return ViewJob(generator=own, port=0, **given)


@pytest.fixture(scope="module")
def port(job):
    with serve(job) as found:
        yield found


@pytest.fixture
def tab(port):
    found = Tab.opened(port)
    found.until(lambda: "download .glb" in found.controls)
    yield found
    found.connection.close()


@pytest.fixture(scope="module")
def heads(job):
    return Heads(subject_of(job).model)


def middle(canvas):
    """The square picture on a canvas."""
    left = (canvas.shape[1] - SIZE) // 2
    return canvas[:, left : left + SIZE].astype(int)


def near(canvas, picture) -> bool:
    """But for what JPEG leaves out."""
    return np.abs(middle(canvas) - np.asarray(picture.image())).mean() < 3


def test_a_tab_is_shown_the_head_it_asks_for(tab, heads) -> None:
    assert near(tab.rests(SIZE), heads(3, truncation=1.0, resolution=SIZE))
    assert tab.picture().shape == (SIZE, SIZE * 3 // 2, 3)
    tab.move("seed", 5)
    tab.move("yaw", 0.3)
    tab.move("truncation", 0.5)
    seen = heads(5, 0.3, truncation=0.5, resolution=SIZE)
    assert near(tab.rests(SIZE), seen)
    assert not near(tab.picture(), heads(3, truncation=1.0, resolution=SIZE))


def test_tabs_have_states_of_their_own(tab, port, heads) -> None:
    other = Tab.opened(port)
    other.until(lambda: "download .glb" in other.controls)
    tab.move("seed", 7)
    assert near(tab.rests(SIZE), heads(7, truncation=1.0, resolution=SIZE))
    assert near(other.rests(SIZE), heads(3, truncation=1.0, resolution=SIZE))
    assert other.values["seed"] == 3
    other.connection.close()


def test_dragging_turns_the_head_and_moves_the_sliders(tab, heads) -> None:
    tab.rests(SIZE)
    yaw, pitch, distance = 0.4, -0.2, 0.8
    side = distance * math.cos(pitch)
    place = side * math.sin(yaw), distance * math.sin(pitch), side * math.cos(yaw)
    tab.turn(place)
    tab.until(lambda: tab.values["zoom"] != 1)
    assert [tab.values[name] for name in ("yaw", "pitch", "zoom")] == [yaw, pitch, 1 / distance]
    tab.turn([1 / distance * x for x in place])
    tab.until(lambda: tab.values["zoom"] == 1)
    assert near(tab.rests(SIZE), heads(3, yaw, pitch, truncation=1.0, resolution=SIZE))


def test_a_slider_turns_the_camera_whose_echo_does_not_turn_it_back(tab) -> None:
    tab.rests(SIZE)
    tab.move("yaw", 0.5)
    tab.until(lambda: "SetCameraPositionMessage" in tab.kinds)
    tab.turn((0.0, 0.0, 1.0))
    tab.rests(SIZE)
    assert tab.values["yaw"] == 0  # nothing was sent back


def test_next_and_previous(tab, heads) -> None:
    tab.send(
        {
            "type": "GuiUpdateMessage",
            "uuid": tab.controls[""],
            "updates": {"value": "next ▶"},
        }
    )
    tab.until(lambda: tab.values["seed"] == 4)
    assert near(tab.rests(SIZE), heads(4, truncation=1.0, resolution=SIZE))


def test_components_show_where_the_head_lies_and_move_it(tab, job, heads) -> None:
    subject, which = subject_of(job), ("expression", "jawOpen")
    tab.rests(SIZE)
    assert {"0", "1", "jawOpen", "browInnerUp"} <= set(tab.controls)
    (at,) = subject.coordinates(Asked(seed=3), [which])
    assert tab.values["jawOpen"] == pytest.approx(at)
    tab.move("jawOpen", -2.5)
    latent = subject.latent(Asked(seed=3, edits=((which, -2.5),)))[0]
    assert near(tab.rests(SIZE), heads(latent=latent, truncation=1.0, resolution=SIZE))
    tab.move("undo all edits")
    tab.until(lambda: tab.values["jawOpen"] == pytest.approx(at))


def test_files_are_those_of_the_verbs(tab, heads) -> None:
    tab.rests(SIZE)
    tab.move("save as PNG")
    tab.until(lambda: tab.files)
    ((name, content),) = tab.files.items()
    assert name == "cgof-seed0003-colour.png"
    picture = np.asarray(Image.open(io.BytesIO(content)))
    own = heads(3, truncation=1.0, resolution=SIZE)
    assert np.array_equal(picture, np.asarray(own.image()))
    tab.move("points a side", "64")
    tab.move("download .glb")
    tab.until(lambda: "cgof-seed0003.glb" in tab.files)
    content = tab.files["cgof-seed0003.glb"]
    mesh = heads.mesh(3, truncation=1.0, resolution=64)
    assert content == glb(mesh)


def test_the_mesh_takes_the_pictures_place_until_something_changes(tab) -> None:
    tab.rests(SIZE)
    tab.move("points a side", "64")
    tab.move("turn it here")
    tab.until(lambda: "GlbMessage" in tab.kinds)
    tab.turn((0.6, 0.0, 0.8))
    tab.until(lambda: tab.values["yaw"] != 0)
    tab.take(0.5)
    assert not tab.frames
    tab.move("seed", 6)
    tab.until(lambda: tab.frames)
    assert "RemoveSceneNodeMessage" in tab.kinds


@pytest.mark.parametrize(
    ("label", "value"),
    [
        ("seed", 2**62),
        ("yaw", float("nan")),
        ("resolution", "a"),
        ("resolution", "1000000"),
        ("show", "/etc/passwd"),
        ("points a side", "100000"),
        ("component", "x"),
    ],
)
def test_values_that_no_control_has_do_no_harm(tab, port, label, value, capfd) -> None:
    before = tab.rests(SIZE)
    tab.move(label, value)
    for button in ("save as PNG", "download .glb"):
        tab.move(button)
    tab.take(0.5)
    tab.connection.close()
    again = Tab.opened(port)
    assert np.array_equal(again.rests(SIZE), before)
    again.connection.close()
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:1", "null"])
def test_pages_of_others_are_given_nothing(port, origin) -> None:
    tab = Tab.opened(port, origin=origin)
    for _ in range(5):
        tab.take(0.3)
    assert not tab.frames and not tab.controls
    tab.connection.close()


def test_a_name_of_anothers_that_leads_here_is_given_nothing(port, monkeypatch) -> None:
    import socket

    real = socket.create_connection
    monkeypatch.setattr(
        socket, "create_connection", lambda at, *rest, **more: real(("127.0.0.1", at[1]), *rest)
    )
    tab = Tab.opened(port, origin=f"http://evil.example:{port}", host="evil.example")
    for _ in range(5):
        tab.take(0.3)
    assert not tab.frames and not tab.controls


def test_its_own_page_may(port) -> None:
    tab = Tab.opened(port, origin=f"http://127.0.0.1:{port}")
    tab.until(lambda: tab.frames)
    tab.connection.close()


def test_nobody_can_have_it_shown_to_the_world(tab, monkeypatch) -> None:
    asked = []
    monkeypatch.setattr("viser.ViserServer.request_share_url", lambda *_: asked.append(1))
    tab.send({"type": "ShareUrlRequest"})
    tab.move("seed", 9)
    tab.rests(SIZE)
    assert not asked


@pytest.mark.parametrize(
    ("aspect", "shape"), [(1.5, (4, 6)), (0.5, (8, 4)), (1.0, (4, 4)), (1e9, (4, 4))]
)
def test_a_picture_stands_in_the_middle(aspect, shape) -> None:
    picture = np.full((4, 4, 3), 9, np.uint8)
    canvas = on_canvas(picture, aspect, (1, 2, 3))
    assert canvas.shape == (*shape, 3)
    top, left = (shape[0] - 4) // 2, (shape[1] - 4) // 2
    assert np.array_equal(canvas[top : top + 4, left : left + 4], picture)
    assert (canvas == 9).all(-1).sum() == 16
    assert shape == (4, 4) or canvas[0, 0].tolist() == [1, 2, 3]
