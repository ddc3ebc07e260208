"""The sheet of a data set: its first training images, and what is stored of each below it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from gof.data.manifest import Manifest
from gof.data.reader import Reader
from gof.geometry.images import stacked
from gof.run.files import write_png

COLUMNS = 10
FLOW_SHOWN = 0.01  # displacement that saturates a colour, camera radii


def _image(stored: np.ndarray) -> np.ndarray:
    return stored


def _depth(stored: np.ndarray) -> np.ndarray:
    """Near is bright, the background black; each row of the sheet over its own range."""
    seen = stored[stored > 0].astype(np.float32)
    low, high = (seen.min(), seen.max()) if len(seen) else (0.0, 1.0)
    grey = np.where(stored > 0, 255 - 200 * (stored - low) / max(high - low, 1.0), 0)
    return np.repeat(grey[..., None], 3, -1).astype(np.uint8)


def _normal(stored: np.ndarray) -> np.ndarray:
    normal = stored.astype(np.int16)
    return np.where(normal.any(-1, keepdims=True), normal + 128, 0).clip(0, 255).astype(np.uint8)


def _flow(stored: np.ndarray) -> np.ndarray:
    """Grey where nothing moves."""
    flow = stored.astype(np.float32) / FLOW_SHOWN
    return (127.5 + 127.5 * flow).clip(0, 255).astype(np.uint8)


SHOWN: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "image": _image,
    "depth": _depth,
    "depth_b": _depth,
    "normal": _normal,
    "flow": _flow,
}


def write_sheet(manifest: Manifest, out: Path, kinds: Sequence[str], count: int) -> None:
    """Draw the first `count` training images, COLUMNS in a row, and below each row what else is
    stored: kinds, keys of SHOWN, are arrays' names before the size."""
    size, reader = max(manifest.resolutions), Reader(manifest, "train")
    stored = reader.read([f"{kind}_{size}" for kind in kinds], range(min(count, len(reader))))
    shown = [SHOWN[kind](stored[f"{kind}_{size}"]) for kind in kinds]
    starts = range(0, len(shown[0]), COLUMNS)
    write_png(out, stacked([images[k : k + COLUMNS] for k in starts for images in shown]))
