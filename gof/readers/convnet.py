"""A small residual CNN that reads coefficients, pose and landmarks off an image of any size."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gof.geometry.images import resize
from gof.readers.interface import FaceRegressor, Reading
from gof.run import rng

SIZE = 64  # pixels the network sees
WIDTHS = (1, 2, 4, 6)  # channels of its four levels, in those of the first
HIDDEN = 256
LANDMARKS = 68


class _Level(nn.Module):
    """Halves the size; a residual convolution follows."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.shrink = nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.refine = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.refine_norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm(self.shrink(x)))
        return F.relu(x + self.refine_norm(self.refine(x)))


class ConvRegressor(FaceRegressor):
    """coefficients: length of z; width: channels of the first level. `centre` and `scale`
    [2 + 136] bring pose and landmarks to unit size, so that an untrained network reads their
    mean."""

    centre: Tensor
    scale: Tensor

    def __init__(self, coefficients: int, width: int) -> None:
        super().__init__()
        self.coefficients, self.width = coefficients, width
        placed = 2 + 2 * LANDMARKS
        widths = [width * factor for factor in WIDTHS]
        self.stem = nn.Conv2d(3, widths[0], 5, 2, 2, bias=False)
        self.norm = nn.BatchNorm2d(widths[0])
        self.levels = nn.Sequential(*(_Level(a, b) for a, b in pairwise(widths)))
        side = SIZE // 2 ** len(WIDTHS)
        self.hidden = nn.Linear(widths[-1] * side * side, HIDDEN)
        self.head = nn.Linear(HIDDEN, coefficients + placed)
        self.register_buffer("centre", torch.zeros(placed))
        self.register_buffer("scale", torch.ones(placed))

    @torch.no_grad()
    def reset(self, seed: int, name: str) -> None:
        """Draw all weights from a seed; those of another name differ."""
        generator = rng.generator(seed, f"regressor weights/{name}")
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        self.head.weight.mul_(0.1)

    def forward(self, images: Tensor) -> Reading:
        """See `FaceRegressor`."""
        x = F.relu(self.norm(self.stem(resize(images, SIZE))))
        x = F.relu(self.hidden(self.levels(x).flatten(1)))
        z, placed = self.head(x).split([self.coefficients, len(self.centre)], -1)
        pose, marks = (self.centre + self.scale * placed).split([2, 2 * LANDMARKS], -1)
        return Reading(z, pose, marks.unflatten(-1, (LANDMARKS, 2)))
