"""Real images for each step: a stateless sampler, so that a resumed run sees what an unbroken one
sees."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gof.data.ahead import Ahead
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
        order = self._orders.get(epoch)
        if order is None:
            generator = rng.generator(self.seed, self.purpose, epoch)
            order = torch.randperm(self.count, generator=generator)
            # Only the epochs a step can touch are worth keeping.
            recent = {k: v for k, v in self._orders.items() if k >= epoch - 1}
            self._orders = recent | {epoch: order}
        return order


Batch = tuple[tuple[int, ...], torch.device]  # samples of the run, and where they go


class Reals:
    """Real images, read for each batch; sample number i of the run is a fixed image and flip.

    read: images of these numbers, uint8 [n, 3, r, r]; count: how many images there are.
    """

    def __init__(
        self, read: Callable[[list[int]], Tensor], count: int, seed: int, flip: bool
    ) -> None:
        self.seed = seed
        self.flip = flip
        self.image_numbers = Epochs(count, seed, "order of images")
        self.ahead = Ahead[Batch, Tensor](self._load)
        self._read = read

    def _load(self, batch: Batch) -> Tensor:
        rows, device = batch
        return ready(self._read(self.image_numbers(list(rows))), device)

    def announce(self, rows: list[int], device: torch.device) -> None:
        """Say that these samples come next."""
        self.ahead.announce((tuple(rows), device))

    def __call__(self, rows: list[int], device: torch.device) -> Tensor:
        """Images of these samples, float32 [len(rows), 3, r, r] in [-1, 1]."""
        images = self.ahead((tuple(rows), device))
        batch = images.to(device, non_blocking=True).float() / 127.5 - 1
        if self.flip:
            draws = rng.streams(self.seed, "flip", rows).uniform()
            batch = torch.where(draws.to(device)[:, None, None, None] < 0.5, batch.flip(-1), batch)
        return batch


def ready(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor where the device can fetch it without waiting: in pinned memory for a GPU."""
    return tensor.pin_memory() if device.type == "cuda" else tensor
