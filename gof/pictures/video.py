"""Frames as a file that plays."""

from __future__ import annotations

import io
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from PIL import Image

from gof.run.files import MachineError, say

MILLISECONDS = 80  # a frame
CODECS = {".webm": "VP90", ".mp4": "vp09"}  # VP9, which browsers play
SUFFIXES = (".gif", ".webp", *CODECS)
ENCODER: Final = "libx264"  # H.264 plays nearly everywhere
QUALITY = "18"  # its constant rate factor: hardly told from the frames


def encoded(frames: list[np.ndarray], suffix: str, milliseconds: int) -> bytes:
    """Images [h, w, 3] uint8, even sides, as one of SUFFIXES; .gif and .webp play for ever. .mp4 is
    H.264 where PyAV is installed, else VP9, and that is told. Raises MachineError where OpenCV has
    no encoder."""
    if suffix not in CODECS:
        return _by_pillow(frames, suffix, milliseconds)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"video{suffix}"
        if suffix != ".mp4" or not _by_pyav(path, frames, milliseconds):
            _by_opencv(path, frames, milliseconds)
        return path.read_bytes()


def _by_pyav(path: Path, frames: list[np.ndarray], milliseconds: int) -> bool:
    """Writes H.264 and says whether it could."""
    try:
        import av
    except ImportError:
        av = None  # type: ignore[assignment]
    if av is None or ENCODER not in av.codecs_available:
        say(
            f"{path.suffix}: written as VP9, which browsers play but slides and QuickTime may not;"
            " for H.264: pip install 'gof[video]'"
        )
        return False
    height, width = frames[0].shape[:2]
    # What a player needs first stands first, so that it starts before it has everything.
    with av.open(str(path), "w", options={"movflags": "faststart"}) as film:
        stream = film.add_stream(ENCODER, Fraction(1000, milliseconds), options={"crf": QUALITY})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for frame in frames:
            film.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        film.mux(stream.encode())
    return True


def _by_opencv(path: Path, frames: list[np.ndarray], milliseconds: int) -> None:
    height, width = frames[0].shape[:2]
    code = cv2.VideoWriter.fourcc(*CODECS[path.suffix])
    with _unheard():
        writer = cv2.VideoWriter(str(path), code, 1000 / milliseconds, (width, height))
    if not writer.isOpened():
        raise MachineError(f"no encoder for {path.suffix} in this OpenCV: write a .gif instead")
    for frame in frames:
        writer.write(np.ascontiguousarray(frame[..., ::-1]))
    writer.release()


@contextmanager
def _unheard() -> Iterator[None]:
    """Without what FFmpeg prints: that it gives a codec another tag in this container."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _by_pillow(frames: list[np.ndarray], suffix: str, milliseconds: int) -> bytes:
    buffer = io.BytesIO()
    pictures = [Image.fromarray(frame) for frame in frames]
    if suffix == ".gif":
        pictures = [_in_few_colours(picture) for picture in pictures]
    pictures[0].save(
        buffer,
        suffix[1:],
        save_all=True,
        append_images=pictures[1:],
        duration=milliseconds,
        loop=0,
    )
    return buffer.getvalue()


def _in_few_colours(picture: Image.Image) -> Image.Image:
    """As GIF has it, 256 colours: spread over the range and dithered, or shades of skin and of
    normals stand in patches."""
    palette = picture.quantize(256, Image.Quantize.MAXCOVERAGE)
    return picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
