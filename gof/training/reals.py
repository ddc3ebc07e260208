"""Real images for each step: a stateless sampler, so that a resumed run sees what an unbroken one
sees."""

from __future__ import annotations

import torch
from torch import Tensor

from gof.run import rng


class Epochs:
    """Which of `count` things each sample of a run is: every one once an epoch, in an order drawn
    for that epoch."""

    def __init__(self, count: int, seed: int, purpose: str) -> None:
        self.count = count
        self.seed = seed
        self.purpose = purpose
        self._orders: dict[int, Tensor] = {}

    def __call__(self, rows: list[int]) -> list[int]:
        """Numbers of the things that samples `rows` are."""
        return [int(self._order(row // self.count)[row % self.count]) for row in rows]

    def _order(self, epoch: int) -> Tensor:
        if epoch not in self._orders:
            generator = rng.generator(self.seed, self.purpose, epoch)
            order = torch.randperm(self.count, generator=generator)
            # Only the epochs a step can touch are worth keeping.
            recent = {k: v for k, v in self._orders.items() if k >= epoch - 1}
            self._orders = recent | {epoch: order}
        return self._orders[epoch]


class Reals:
    """Images uint8 [n, 3, r, r] held in memory; sample number i of the run is a fixed image and
    flip."""

    def __init__(self, images: Tensor, seed: int, flip: bool) -> None:
        self.images = images
        self.seed = seed
        self.flip = flip
        self.image_numbers = Epochs(len(images), seed, "order of images")

    def __call__(self, rows: list[int], device: torch.device) -> Tensor:
        """Images of these samples, float32 [len(rows), 3, r, r] in [-1, 1]."""
        batch = self.images[self.image_numbers(rows)].to(device).float() / 127.5 - 1
        if self.flip:
            draws = rng.streams(self.seed, "flip", rows).uniform()
            batch = torch.where(draws.to(device)[:, None, None, None] < 0.5, batch.flip(-1), batch)
        return batch
