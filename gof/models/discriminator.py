"""Discriminator with a pose head, grown with the resolution (GOF supplement; blocks after pi-GAN's
description)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gof.models.settings import DiscriminatorNetwork
from gof.run import rng

LOWEST = 4  # pixels a side where the head takes over


class Block(nn.Module):
    """Residual block that halves the resolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, inputs, 3, padding=1)
        self.second = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[n, inputs, h, w] -> [n, outputs, h / 2, w / 2]."""
        skip = self.skip(F.avg_pool2d(x, 2))
        h = F.leaky_relu(self.first(x), 0.2)
        h = F.leaky_relu(self.second(F.avg_pool2d(h, 2)), 0.2)
        return (h + skip) / math.sqrt(2)


class Discriminator(nn.Module):
    """Scores images and reads their camera. Grows by `grow`; lower resolutions keep their
    weights."""

    def __init__(self, network: DiscriminatorNetwork) -> None:
        super().__init__()
        self.network = network
        self.from_rgb = nn.ModuleDict()
        self.blocks = nn.ModuleDict()
        top = self._channels(LOWEST)
        self.last = nn.Conv2d(top + 1, top, 3, padding=1)
        self.head = nn.Linear(top * LOWEST * LOWEST, 3)

    def _channels(self, resolution: int) -> int:
        return max(1, min(self.network.channel_max, self.network.channel_base // resolution))

    @torch.no_grad()
    def grow(self, resolution: int, seed: int) -> None:
        """Add the layers that images of this resolution need. Weights of a layer depend on seed and
        layer alone.

        Raises ValueError when the resolution is no power of two times 4.
        """
        if resolution < LOWEST or resolution & (resolution - 1):
            raise ValueError(f"stage resolution {resolution} is not a power of two of at least 4")
        if not self.from_rgb:
            self._draw(self.last, seed, "last")
            self._draw(self.head, seed, "head")
        r = LOWEST
        while r <= resolution:
            if str(r) not in self.from_rgb:
                self.from_rgb[str(r)] = nn.Conv2d(3, self._channels(r), 1)
                self._draw(self.from_rgb[str(r)], seed, "from_rgb", r)
            if r > LOWEST and str(r) not in self.blocks:
                self.blocks[str(r)] = Block(self._channels(r), self._channels(r // 2))
                self._draw(self.blocks[str(r)], seed, "block", r)
            r *= 2

    @staticmethod
    def _draw(module: nn.Module, seed: int, name: str, resolution: int = 0) -> None:
        generator = rng.generator(seed, f"discriminator {name}", resolution)
        for parameter in module.parameters():
            if parameter.dim() == 1:
                nn.init.zeros_(parameter)
            else:
                nn.init.kaiming_normal_(
                    parameter, a=0.2, nonlinearity="leaky_relu", generator=generator
                )

    def forward(self, images: Tensor, fade: float = 1.0) -> tuple[Tensor, Tensor]:
        """Scores [n] and poses [n, 2] (yaw, pitch, radians) of images [n, 3, r, r].

        fade < 1 mixes the newest block with the path of half the resolution. n must be a multiple
        of the group that shares a standard deviation, or smaller than it.
        """
        r = images.shape[-1]
        # Channels last: convolutions on a CPU take a quarter less time.
        images = images.contiguous(memory_format=torch.channels_last)
        h = F.leaky_relu(self.from_rgb[str(r)](images), 0.2)
        while r > LOWEST:
            h = self.blocks[str(r)](h)
            r //= 2
            if fade < 1 and 2 * r == images.shape[-1]:
                small = F.leaky_relu(self.from_rgb[str(r)](F.avg_pool2d(images, 2)), 0.2)
                h = torch.lerp(small, h, fade)
        h = torch.cat([h, self._spread(h)], 1)
        out = self.head(F.leaky_relu(self.last(h), 0.2).flatten(1))
        return out[:, 0], out[:, 1:]

    def _spread(self, h: Tensor) -> Tensor:
        """Minibatch standard deviation over groups of neighbours, as one more channel (progressive
        GAN)."""
        n, _, height, width = h.shape
        group = min(self.network.stddev_group, n)
        grouped = h.reshape(n // group, group, *h.shape[1:])
        spread = (grouped.var(1, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))
        return spread.repeat_interleave(group)[:, None, None, None].expand(n, 1, height, width)
