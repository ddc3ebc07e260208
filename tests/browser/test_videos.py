"""Videos play: time goes on, and what is seen is not blank."""

import sys
from pathlib import Path

import numpy as np
import pytest

from gof.pictures.video import encoded

pytestmark = pytest.mark.slow
# Plays a video and tells its size, its length and a colour at each side.
PLAY = """async (name) => {
  const video = document.createElement("video");
  Object.assign(video, { src: name, muted: true });
  document.body.append(video);
  await video.play();
  while (video.currentTime < 0.2) await new Promise(requestAnimationFrame);
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: video.videoWidth, height: video.videoHeight });
  const context = canvas.getContext("2d");
  context.drawImage(video, 0, 0);
  const colour = (x, y) => [...context.getImageData(x, y, 1, 1).data].slice(0, 3);
  return { width: video.videoWidth, height: video.videoHeight, length: video.duration,
           left: colour(8, 8), right: colour(canvas.width - 8, 8) };
}"""


def played(see, path: Path):
    page = path.with_name("page.html")
    page.write_text("<!doctype html><title>video</title><body></body>")
    seen = see()
    # a canvas gives no pixels of files, which all count as foreign to each other
    seen.page.route(
        "http://gof.test/*",
        lambda route: route.fulfill(path=path.with_name(route.request.url.split("/")[-1])),
    )
    seen.open("http://gof.test/page.html")
    return seen.page.evaluate(PLAY, path.name)


def halves() -> list[np.ndarray]:
    """Two seconds, red at the left and blue at the right."""
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:, :32], picture[:, 32:] = (220, 20, 20), (20, 20, 220)
    return [picture] * 25


@pytest.mark.parametrize(
    ("suffix", "h264", "near"),
    # Of VP9 by OpenCV the browser takes one matrix of colours for another.
    [(".webm", False, 24), (".mp4", False, 24), (".mp4", True, 8)],
)
def test_colours_come_through(see, tmp_path, monkeypatch, suffix, h264, near):
    if not h264:
        monkeypatch.setitem(sys.modules, "av", None)
    path = tmp_path / f"film{suffix}"
    path.write_bytes(encoded(halves(), suffix, 80))
    shown = played(see, path)
    assert (shown["width"], shown["height"]) == (64, 48)
    assert shown["length"] == pytest.approx(2.0, abs=0.1)
    assert np.abs(np.subtract(shown["left"], (220, 20, 20))).max() < near
    assert np.abs(np.subtract(shown["right"], (20, 20, 220))).max() < near


@pytest.mark.parametrize("suffix", [".webm", ".mp4"])
def test_a_video_of_heads_plays(see, tmp_path, gof, suffix):
    path = tmp_path / f"heads{suffix}"
    words = ("--seeds", "0-1", "--frames", 8, "--resolution", 32, "--normals", "--out", path)
    gof("video", "--generator", "heads-gof", *words)
    shown = played(see, path)
    assert (shown["width"], shown["height"]) == (64, 64)
    assert shown["length"] == pytest.approx(8 * 0.08, abs=0.1)
