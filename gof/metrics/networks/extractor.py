"""A network that turns images into the features that a Frechet distance compares."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil
from typing import Protocol

import torch
from torch import Tensor, nn
from tqdm import tqdm

from gof.geometry.images import resize
from gof.run.memory import in_parts


class ImageSet(Protocol):
    """Images uint8 [n, 3, r, r]: a tensor, or what splits like one (`gof.data.reader.Images`)."""

    def __len__(self) -> int:
        """How many."""

    def split(self, size: int, /) -> Iterable[Tensor]:
        """Some at a time."""


@dataclass(frozen=True)
class Extractor:
    """A feature network. metric names its distance in tables; size is what it sees, in pixels."""

    metric: str
    name: str
    sha256: str
    size: int
    network: nn.Module

    @torch.no_grad()
    def __call__(self, images: ImageSet, batch: int = 16, label: str = "") -> Tensor:
        """Features float64 [n, d] of images. Results do not depend on the batch size."""
        device = next(self.network.parameters()).device
        count, quiet = ceil(len(images) / batch), None if label else True

        def features(part: Tensor) -> Tensor:
            x = resize(part.to(device).float() / 255, self.size)
            y = self.network(x.contiguous(memory_format=torch.channels_last))
            y = y[0] if isinstance(y, list) else y
            return y.flatten(1).double().cpu()

        parts = tqdm(images.split(batch), label, count, disable=quiet)
        return torch.cat([in_parts(features, part) for part in parts])
