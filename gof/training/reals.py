"""Real images for each step: a stateless sampler, so that a resumed run sees what an unbroken one
sees."""

from __future__ import annotations

import torch
from torch import Tensor

from gof import rng


class Reals:
    """Images uint8 [n, 3, r, r] held in memory; sample number i of the run is a fixed image and
    flip."""

    def __init__(self, images: Tensor, seed: int, flip: bool) -> None:
        self.images = images
        self.seed = seed
        self.flip = flip
        self._epochs: dict[int, Tensor] = {}

    def image_numbers(self, rows: list[int]) -> list[int]:
        """Which image each sample is: every image once an epoch, in an order drawn for that
        epoch."""
        count = len(self.images)
        return [int(self._order(row // count)[row % count]) for row in rows]

    def __call__(self, rows: list[int], device: torch.device) -> Tensor:
        """Images of these samples, float32 [len(rows), 3, r, r] in [-1, 1]."""
        batch = self.images[self.image_numbers(rows)].to(device).float() / 127.5 - 1
        if self.flip:
            draws = rng.streams(self.seed, "flip", rows).uniform()
            batch = torch.where(draws.to(device)[:, None, None, None] < 0.5, batch.flip(-1), batch)
        return batch

    def _order(self, epoch: int) -> Tensor:
        if epoch not in self._epochs:
            generator = rng.generator(self.seed, "order of images", epoch)
            order = torch.randperm(len(self.images), generator=generator)
            # Only the epochs a step can touch are worth keeping.
            self._epochs = {k: v for k, v in self._epochs.items() if k >= epoch - 1} | {
                epoch: order
            }
        return self._epochs[epoch]
