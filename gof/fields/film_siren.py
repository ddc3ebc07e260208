"""FiLM-SIREN field (GOF section 3, pi-GAN section 3.2): h <- sin(f * (W h + b) + p), layer by
layer.

Binding a style folds frequencies f and phases p into the weights once an image,
sin(f * (W h + b) + p) = sin((diag(f) W) h + (f * b + p)), so that a layer costs one matrix product
and one sine.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gof.config import FieldNetwork
from gof.fields import fused, layers
from gof.fields.layers import Heads, Weights

FREQUENCY_SCALE, FREQUENCY_SHIFT = 15.0, 30.0  # f = 15 f' + 30
HIDDEN_INIT = 25.0  # hidden weights start uniform within sqrt(6 / inputs) / 25
CPU_BLOCK = 4096  # points that pass all layers together, so that activations stay in cache


class FilmSiren(nn.Module):
    """The weights every image shares. `bind` turns them and a style into a field.

    A style is [batch, 2 * (layers + 1) * width]: raw frequencies of all layers, then their phases;
    the last of the layers + 1 blocks is the colour layer's.
    """

    stretch: Tensor

    def __init__(self, network: FieldNetwork) -> None:
        super().__init__()
        self.network = network
        # On the device from the start: a copy for every call would wait for all work before it.
        stretch = torch.tensor(network.sphere_stretch, dtype=torch.float64)
        self.register_buffer("stretch", stretch, persistent=False)
        width = network.width
        inputs = [3] + [width] * (network.layers - 1)
        self.layers = nn.ModuleList(nn.Linear(n, width) for n in inputs)
        self.occupancy = nn.Linear(width, 1)
        self.colour_layer = nn.Linear(width + 3, width)
        self.colour = nn.Linear(width, 3)

    @property
    def style_size(self) -> int:
        """Length of a style."""
        return 2 * (self.network.layers + 1) * self.network.width

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
        raw, phases = style.reshape(style.shape[0], 2, -1, self.network.width).unbind(1)
        frequencies = raw * FREQUENCY_SCALE + FREQUENCY_SHIFT
        folded = []
        for index, layer in enumerate((*self.layers, self.colour_layer)):
            assert isinstance(layer, nn.Linear)
            f, p = frequencies[:, index], phases[:, index]
            folded.append(Film((f[..., None] * layer.weight).mT, (f * layer.bias + p)[:, None]))
        return BoundFilmSiren(self, tuple(folded))


@dataclass(frozen=True, slots=True)
class Film:
    """A folded layer: weight [batch, inputs, width], bias [batch, 1, width]."""

    weight: Tensor
    bias: Tensor

    def __call__(self, inputs: Tensor) -> Tensor:
        """sin(inputs W + b): [batch, n, inputs] to [batch, n, width]."""
        activation = torch.baddbmm(self.bias, inputs, self.weight)
        # Backward needs the argument of the sine; without gradient it is overwritten.
        return activation.sin() if activation.requires_grad else activation.sin_()

    def image(self, index: int) -> Film:
        """The layer of one image of the batch."""
        return Film(self.weight[index : index + 1], self.bias[index : index + 1])


@dataclass(frozen=True, slots=True)
class BoundFilmSiren:
    """A batch of shapes. Autocast is off inside: sines of arguments near 30 do not survive
    bfloat16."""

    siren: FilmSiren
    films: tuple[Film, ...]

    def logits(self, points: Tensor) -> Tensor:
        """See `gof.fields.Field.logits`."""
        with torch.autocast(points.device.type, enabled=False):
            if evaluate := _evaluator(points, self._weights[:-1]):
                read = evaluate(self._unit(points), None, self._weights[:-1], self._heads)
                return self._logits(read[..., 0], points)
            return _join([part._trunk(x)[1] for part, x in self._blocks(points)], points)

    def radiance(self, points: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        """See `gof.fields.Field.radiance`."""
        with torch.autocast(points.device.type, enabled=False):
            if evaluate := _evaluator(points, self._weights):
                read = evaluate(self._unit(points), directions, self._weights, self._heads)
                return self._colour(read[..., :3]), self._logits(read[..., 3], points)
            both = torch.cat([points, directions], -1)
            parts = [part._radiance(x) for part, x in self._blocks(both)]
            return (
                _join([rgb for rgb, _ in parts], points),
                _join([logits for _, logits in parts], points),
            )

    def _blocks(self, inputs: Tensor) -> Iterator[tuple[BoundFilmSiren, Tensor]]:
        """Pieces that are evaluated together: all at once on a GPU, cache-sized blocks on a CPU."""
        if inputs.device.type != "cpu":
            yield self, inputs
            return
        for index in range(inputs.shape[0]):
            one = BoundFilmSiren(self.siren, tuple(film.image(index) for film in self.films))
            for block in inputs[index : index + 1].split(CPU_BLOCK, dim=1):
                yield one, block

    @property
    def _weights(self) -> list[Weights]:
        return [(film.weight, film.bias) for film in self.films]

    @property
    def _heads(self) -> Heads:
        return Heads(self.siren.occupancy.weight, self.siren.colour.weight)

    def _unit(self, points: Tensor) -> Tensor:
        return points * (2 / self.siren.network.scene_side)

    def _trunk(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Features [batch, n, width] and logits [batch, n]."""
        h = self._unit(points)
        for film in self.films[:-1]:
            h = film(h)
        return h, self._logits(h @ self._heads.occupancy[0], points)

    def _logits(self, read: Tensor, points: Tensor) -> Tensor:
        """Logits from what the occupancy head reads, [batch, n]."""
        network = self.siren.network
        logits = (read + self.siren.occupancy.bias) * network.logit_scale
        # The stretched sphere that the shape starts as: it decides that shapes turn outward.
        squeezed = points / self.siren.stretch.to(points.dtype)
        distance = network.sphere_radius - squeezed.norm(dim=-1)
        return logits + network.sphere_sharpness * distance

    def _colour(self, read: Tensor) -> Tensor:
        """Colours in [-1, 1] from what the colour head reads, [batch, n, 3]."""
        return (read + self.siren.colour.bias).sigmoid() * 2 - 1

    def _radiance(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        points, directions = inputs.split(3, dim=-1)
        features, logits = self._trunk(points)
        h = self.films[-1](torch.cat([directions, features], -1))
        return self._colour(h @ self._heads.colour.mT), logits


Evaluator = Callable[[Tensor, Tensor | None, list[Weights], Heads], Tensor]


def _evaluator(points: Tensor, films: list[Weights]) -> Evaluator | None:
    """What takes points through all films at once, on this device; None where nothing does, or a
    gradient of the points, such as normals are, is asked for: then layer follows layer."""
    if points.requires_grad:
        return None
    if points.device.type == "cpu":
        return layers.evaluate
    return fused.evaluate if fused.available(points, films) else None


def _join(parts: list[Tensor], points: Tensor) -> Tensor:
    """Blocks, in the order of `_blocks`, as one tensor [batch, n, ...]."""
    if len(parts) == 1:
        return parts[0]
    rows = torch.cat([part.squeeze(0) for part in parts])
    return rows.reshape(*points.shape[:2], *rows.shape[1:])
