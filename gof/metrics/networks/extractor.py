"""A network that turns images into the features that a Frechet distance compares."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from tqdm import tqdm

from gof.geometry.images import resize


@dataclass(frozen=True)
class Extractor:
    """A feature network. metric names its distance in tables; size is what it sees, in pixels."""

    metric: str
    name: str
    sha256: str
    size: int
    network: nn.Module

    @torch.no_grad()
    def __call__(self, images: Tensor, batch: int = 16, label: str = "") -> Tensor:
        """Images uint8 [n, 3, r, r] -> features float64 [n, d]. Results do not depend on the batch
        size."""
        device = next(self.network.parameters()).device
        parts = tqdm(images.split(batch), desc=label, disable=None if label else True)
        rows = []
        for part in parts:
            x = resize(part.to(device).float() / 255, self.size)
            y = self.network(x.contiguous(memory_format=torch.channels_last))
            y = y[0] if isinstance(y, list) else y
            rows.append(y.flatten(1).double().cpu())
        return torch.cat(rows)
