"""FiLM-SIREN field (GOF section 3, pi-GAN section 3.2): h <- sin(f * (W h + b) + p), layer by
layer.

Binding a style folds frequencies f and phases p into the weights once an image,
sin(f * (W h + b) + p) = sin((diag(f) W) h + (f * b + p)), so that a layer costs one matrix product
and one sine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gof.fields.kernels import cpu as layers
from gof.fields.kernels import fused
from gof.fields.kernels.cpu import Film, OutputHeads
from gof.fields.kinds.film_siren import FilmSirenSettings

FREQUENCY_SCALE, FREQUENCY_SHIFT = 15.0, 30.0  # f = 15 f' + 30
HIDDEN_INIT = 25.0  # hidden weights start uniform within sqrt(6 / inputs) / 25


class FilmSiren(nn.Module):
    """The weights every image shares. `bind` turns them and a style into a field.

    A style is [batch, 2 * (layers + 1) * width]: raw frequencies of all layers, then their phases;
    the last of the layers + 1 blocks is the colour layer's.
    """

    def __init__(self, settings: FilmSirenSettings) -> None:
        super().__init__()
        self.settings = settings
        width = settings.width
        inputs = [3] + [width] * (settings.layers - 1)
        self.layers = nn.ModuleList(nn.Linear(n, width) for n in inputs)
        self.occupancy = nn.Linear(width, 1)
        self.colour_layer = nn.Linear(width + 3, width)
        self.colour = nn.Linear(width, 3)

    @property
    def style_size(self) -> int:
        """Length of a style."""
        return 2 * (self.settings.layers + 1) * self.settings.width

    @torch.no_grad()
    def reset(self, generator: torch.Generator) -> None:
        """Draw the weights (SIREN initialisation with the bounds of pi-GAN)."""
        for layer in (*self.layers, self.occupancy, self.colour_layer, self.colour):
            assert isinstance(layer, nn.Linear)
            fan_in = layer.in_features
            bound = math.sqrt(6 / fan_in) / HIDDEN_INIT if fan_in > 3 else 1 / fan_in
            layer.weight.uniform_(-bound, bound, generator=generator)
            layer.bias.uniform_(-1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in), generator=generator)

    def bind(self, style: Tensor) -> BoundFilmSiren:
        """A field for each row of style [batch, style_size]."""
        style = style.to(self.occupancy.weight.dtype)
        raw, phases = style.reshape(style.shape[0], 2, -1, self.settings.width).unbind(1)
        frequencies = raw * FREQUENCY_SCALE + FREQUENCY_SHIFT
        folded = []
        for index, layer in enumerate((*self.layers, self.colour_layer)):
            assert isinstance(layer, nn.Linear)
            f, p = frequencies[:, index], phases[:, index]
            folded.append(Film((f[..., None] * layer.weight).mT, (f * layer.bias + p)[:, None]))
        return BoundFilmSiren(self, tuple(folded))


@dataclass(frozen=True, slots=True)
class BoundFilmSiren:
    """A batch of shapes. Autocast is off inside: sines of arguments near 30 do not survive
    bfloat16."""

    siren: FilmSiren
    films: tuple[Film, ...]

    def logits(self, points: Tensor) -> Tensor:
        """See `gof.fields.field.Field.logits`."""
        with torch.autocast(points.device.type, enabled=False):
            return self._logits(self._read(points, None)[..., 0])

    def radiance(self, points: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        """See `gof.fields.field.Field.radiance`."""
        with torch.autocast(points.device.type, enabled=False):
            read = self._read(points, directions)
            colours = (read[..., :3] + self.siren.colour.bias).sigmoid() * 2 - 1
            return colours, self._logits(read[..., 3])

    def _read(self, points: Tensor, directions: Tensor | None) -> Tensor:
        """What the heads read, without their biases; see `gof.fields.kernels.cpu.evaluate`."""
        films = self.films if directions is not None else self.films[:-1]
        heads = OutputHeads(self.siren.occupancy.weight, self.siren.colour.weight)
        evaluate = fused.evaluate if fused.available(points, films) else layers.evaluate
        return evaluate(points * (2 / self.siren.settings.scene_side), directions, films, heads)

    def _logits(self, read: Tensor) -> Tensor:
        """Logits from what the occupancy head reads, [batch, n]."""
        return (read + self.siren.occupancy.bias) * self.siren.settings.logit_scale
