"""What a picture of a page shows."""

from pathlib import Path

import numpy as np
from PIL import Image

# Share of one colour from which on a page counts as empty: what the smoke run shows is small.
BLANK = 0.998


def pixels(path: Path) -> np.ndarray:
    """A picture as [height, width, 3] uint8."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def share_of_ground(path: Path) -> float:
    """The share of a picture that has its most frequent colour: 1 where it is blank."""
    colours = pixels(path).reshape(-1, 3).astype(np.uint32) @ (65536, 256, 1)
    return float(np.unique(colours, return_counts=True)[1].max() / len(colours))


def share_changed(one: Path, other: Path) -> float:
    """The share of the pixels that differ between two pictures of one size."""
    return float((pixels(one) != pixels(other)).any(-1).mean())
