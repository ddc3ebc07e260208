"""Images as tensors; pages of images."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def shrink(images: Tensor, size: int) -> Tensor:
    """Average areas of [batch, k size, k size, channels] to [batch, size, size, channels]."""
    factor = images.shape[1] // size
    # Slice by slice: a mean over both axes takes many times as long.
    rows = reduce(torch.add, images.unflatten(1, (size, factor)).unbind(2))
    return reduce(torch.add, rows.unflatten(2, (size, factor)).unbind(3)) / factor**2


def resize(images: Tensor, size: int) -> Tensor:
    """Images [n, c, r, r] at another size, bilinear, antialiased where it shrinks."""
    if images.shape[-1] == size:
        return images
    shrinks = size < images.shape[-1]  # elsewhere the same image, in three times the time
    return F.interpolate(images, (size, size), mode="bilinear", antialias=shrinks)


def blur(images: Tensor, sigma: float, reach: int) -> Tensor:
    """Gaussian blur of images [n, c, r, r], cut `reach` pixels from the middle; sigma in pixels;
    edges repeat."""
    x = torch.arange(-reach, reach + 1, device=images.device, dtype=images.dtype)
    kernel = torch.softmax(-0.5 * (x / sigma) ** 2, 0)
    y = F.pad(images.flatten(0, 1)[:, None], (reach,) * 4, mode="replicate")
    y = F.conv2d(F.conv2d(y, kernel[None, None, None]), kernel[None, None, :, None])
    return y.unflatten(0, images.shape[:2]).squeeze(2)


def stacked(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Rows of images uint8 [n, h, w, 3], one below the other: [height, width, 3]; white where a row
    is shorter than the longest."""
    strips = [np.concatenate(list(row), axis=1) for row in rows]
    width = max(strip.shape[1] for strip in strips)
    edges = [((0, 0), (0, width - strip.shape[1]), (0, 0)) for strip in strips]
    return np.concatenate(
        [np.pad(*both, constant_values=255) for both in zip(strips, edges, strict=True)]
    )
