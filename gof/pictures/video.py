"""Frames as a file that plays."""

from __future__ import annotations

import io
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from gof.run.files import MachineError

MILLISECONDS = 80  # a frame
CODECS = {".webm": "VP90", ".mp4": "mp4v"}  # browsers play the first
SUFFIXES = (".gif", ".webp", *CODECS)


def encoded(frames: list[np.ndarray], suffix: str, milliseconds: int) -> bytes:
    """Images [h, w, 3] uint8, even sides, as one of SUFFIXES; .gif and .webp play for ever. Raises
    MachineError where OpenCV has no encoder."""
    if suffix not in CODECS:
        return _by_pillow(frames, suffix, milliseconds)
    height, width = frames[0].shape[:2]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"video{suffix}"
        code = cv2.VideoWriter.fourcc(*CODECS[suffix])
        with _unheard():
            writer = cv2.VideoWriter(str(path), code, 1000 / milliseconds, (width, height))
        if not writer.isOpened():
            raise MachineError(f"no encoder for {suffix} in this OpenCV: write a .gif instead")
        for frame in frames:
            writer.write(np.ascontiguousarray(frame[..., ::-1]))
        writer.release()
        return path.read_bytes()


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
    pictures[0].save(
        buffer,
        suffix[1:],
        save_all=True,
        append_images=pictures[1:],
        duration=milliseconds,
        loop=0,
    )
    return buffer.getvalue()
