"""Files that play."""

import io
import sys

import cv2
import numpy as np
import pytest
from PIL import Image

from gof.pictures.video import SUFFIXES, encoded


def frames() -> list[np.ndarray]:
    """A red picture that a blue column crosses."""
    pictures = np.zeros((6, 32, 32, 3), np.uint8)
    pictures[..., 0] = 220
    for number, picture in enumerate(pictures):
        picture[:, 4 * number : 4 * number + 8] = (0, 0, 220)
    return list(pictures)


def decoded(path) -> list[np.ndarray]:
    if path.suffix in (".gif", ".webp"):
        with Image.open(path) as film:
            found = []
            for number in range(film.n_frames):
                film.seek(number)
                found.append(np.asarray(film.convert("RGB")))
            return found
    video, found = cv2.VideoCapture(str(path)), []
    while (read := video.read())[0]:
        found.append(read[1][..., ::-1])
    return found


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_frames_come_back_in_order_and_colour(suffix, tmp_path, capfd) -> None:
    path = tmp_path / f"film{suffix}"
    path.write_bytes(encoded(frames(), suffix, 80))
    found = decoded(path)
    assert len(found) == 6
    for number, picture in enumerate(found):
        column = picture[8:24, 4 * number + 2 : 4 * number + 6].mean((0, 1))
        aside = picture[8:24, -3:].mean((0, 1))
        assert column[2] > 120 > column[0], number
        assert aside[0] > 120 > aside[2], number
    assert capfd.readouterr().err == ""


def codec(path, suffix) -> str:
    path.write_bytes(encoded(frames(), suffix, 80))
    kind = int(cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little")
    return kind.decode().lower()


def test_a_webm_is_vp9(tmp_path) -> None:
    assert codec(tmp_path / "film.webm", ".webm") in ("vp09", "vp90")


def test_an_mp4_is_h264_and_can_start_at_once(tmp_path) -> None:
    path = tmp_path / "film.mp4"
    assert codec(path, ".mp4") in ("h264", "avc1")
    assert path.read_bytes().index(b"moov") < path.read_bytes().index(b"mdat")


def test_without_an_h264_encoder_an_mp4_is_vp9_and_that_is_told(
    tmp_path, monkeypatch, capfd
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    assert codec(tmp_path / "film.mp4", ".mp4") in ("vp09", "vp90")
    assert "gof[video]" in capfd.readouterr().err


def test_shades_stay_shades_in_the_few_colours_of_a_gif():
    y, x = np.mgrid[0:64, 0:64] / 63
    frame = (np.stack([x, y, 1 - (x + y) / 2], -1) * 255).astype(np.uint8)
    with Image.open(io.BytesIO(encoded([frame, frame], ".gif", 80))) as film:
        shown = np.asarray(film.convert("RGB"))
    near, far = (a.reshape(16, 4, 16, 4, 3).astype(float).mean((1, 3)) for a in (frame, shown))
    assert (
        abs(near - far).max() < 4
    )  # over four pixels a side; in patches of one colour each it is 6
