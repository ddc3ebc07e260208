"""The authors' renderer once more, from what is known of it (method-gof 2, 3 and 5): one ray after
the other, in float64, on tensors by their own names. Without jitter: samples that
they move at random lie where they would on average, and importance samples at even quantiles."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import torch

Weights = dict[str, np.ndarray]


@dataclass(frozen=True)
class Look:
    """How a picture is made; angles and names are theirs."""

    pred_occ: bool
    size: int
    coarse: int = 18
    surface: int = 18
    fine: int = 12
    fov: float = 12.0
    near: float = 0.88
    far: float = 1.12
    interval: float = 0.03
    secant: int = 4
    clamp: str = "relu"
    last_back: bool = True
    white_back: bool = False
    plane: bool = False
    side: float = 0.24


def style_of(weights: Weights, z: np.ndarray) -> np.ndarray:
    """Frequencies of nine layers of 256, then phases."""
    h = z
    for i in (0, 2, 4, 6):
        layer = f"siren.mapping_network.network.{i}"
        h = _linear(weights, layer, h)
        if i < 6:
            h = np.where(h > 0, h, 0.2 * h)
    return h


def features(weights: Weights, style: np.ndarray, points: np.ndarray, side: float) -> np.ndarray:
    """What the occupancy head reads at points [n, 3]: [n, 256]."""
    h = points * (2 / side)
    for i in range(8):
        h = _film(weights, f"siren.network.{i}.layer", h, style, i)
    return h


def _film(weights, name, h, style, i):
    own = slice(256 * i, 256 * (i + 1))
    frequency, phase = 15 * style[: 9 * 256][own] + 30, style[9 * 256 :][own]
    return np.sin(frequency * _linear(weights, name, h) + phase)


def _linear(weights, name, h):
    product = torch.from_numpy(h) @ torch.from_numpy(weights[f"{name}.weight"]).T
    return product.numpy() + weights[f"{name}.bias"]


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


@dataclass(frozen=True)
class Ray:
    weights: Weights
    style: np.ndarray
    origin: np.ndarray
    direction: np.ndarray
    look: Look

    def at(self, z: list[float]) -> tuple[np.ndarray, np.ndarray]:
        """Colours [n, 3] from 0 to 1 and raw outputs [n] of the network at depths z."""
        points = np.array([self.origin + x * self.direction for x in z])
        h = features(self.weights, self.style, points, self.look.side)
        raw = _linear(self.weights, "siren.final_layer", h)[:, 0]
        seen = np.concatenate([np.tile(self.direction, (len(z), 1)), h], 1)
        h = _film(self.weights, "siren.color_layer_sine.layer", seen, self.style, 8)
        return _sigmoid(_linear(self.weights, "siren.color_layer_linear.0", h)), raw

    def opacities(self, raw: np.ndarray, z: list[float]) -> list[float]:
        if self.look.pred_occ:
            return [float(_sigmoid(x)) for x in raw]
        steps = [b - a for a, b in itertools.pairwise(z)] + [1e10]
        positive = np.logaddexp(0, raw) if self.look.clamp == "softplus" else np.maximum(raw, 0)
        return [1 - math.exp(-s * d) for s, d in zip(positive, steps, strict=True)]

    def weights_at(self, raw: np.ndarray, z: list[float]) -> list[float]:
        left, found = 1.0, []
        for opacity in self.opacities(raw, z):
            found.append(opacity * left)
            left *= 1 - opacity
        return found

    def surface(self, z: list[float], raw: np.ndarray) -> float | None:
        """Depth of the first crossing of occupancy 0.5, by secant steps."""
        change = [i for i in range(len(z) - 1) if raw[i] * raw[i + 1] < 0]
        if not change or raw[0] >= 0:
            return None
        i = change[0]
        (z0, z1), (f0, f1) = (z[i], z[i + 1]), (raw[i], raw[i + 1])
        for _ in range(self.look.secant):
            middle = z0 - f0 * (z1 - z0) / (f1 - f0)
            value = self.at([middle])[1][0]
            if value < 0:
                z0, f0 = middle, value
            else:
                z1, f1 = middle, value
        return z0 - f0 * (z1 - z0) / (f1 - f0)

    def colour(self) -> tuple[np.ndarray, bool]:
        """Of the pixel, in [-1, 1], and whether an occupancy's surface is met."""
        look = self.look
        coarse = _line(look.near, look.far, look.coarse)
        raw = self.at(coarse)[1]
        chosen, surface = list(coarse), self.surface(coarse, raw)
        if look.pred_occ:
            low, high = 0.88, 1.12
            if surface is not None:
                low, high = surface - look.interval, surface + look.interval
                if low < 0.88:
                    low, high = 0.88, 0.88 + 2 * look.interval
                if high > 1.12:
                    low, high = 1.12 - 2 * look.interval, 1.12
            chosen = _line(low, high, look.surface)
        if look.fine:
            chosen += _importance(coarse, self.weights_at(raw, coarse), look.fine)
        chosen.sort()
        colours, raw = self.at(chosen)
        weights = self.weights_at(raw, chosen)
        if look.last_back:
            weights[-1] += 1 - sum(weights)
        shown = sum(w * c for w, c in zip(weights, colours, strict=True))
        if look.white_back:
            shown = shown + 1 - sum(weights)
        return 2 * shown - 1, surface is not None


def _line(low: float, high: float, n: int) -> list[float]:
    return [low + (high - low) * i / (n - 1) for i in range(n)]


def _importance(z: list[float], weights: list[float], n: int) -> list[float]:
    """At even quantiles of a histogram whose bins lie between the spacings' middles and whose
    heights are the weights of the samples inside."""
    edges = [(a + b) / 2 for a, b in itertools.pairwise(z)]
    heights = [w + 2e-5 for w in weights[1:-1]]
    total, found = sum(heights), []
    for quantile in _line(0, 1, n):
        left, k = quantile * total, 0
        while k < len(heights) - 1 and left > heights[k]:
            left -= heights[k]
            k += 1
        found.append(edges[k] + (edges[k + 1] - edges[k]) * min(left / heights[k], 1))
    return found


def picture(
    weights: Weights, style: np.ndarray, pose: tuple[float, float], look: Look
) -> tuple[np.ndarray, np.ndarray]:
    """Image [size, size, 3] in [-1, 1], row 0 at the top, and where a surface is met. pose: their
    theta and phi, from the pole."""
    theta, phi = pose
    origin = np.array(
        [math.sin(phi) * math.cos(theta), math.cos(phi), math.sin(phi) * math.sin(theta)]
    )
    left = np.cross([0, 1, 0], -origin)
    left /= np.linalg.norm(left)
    up = np.cross(-origin, left)
    image, hit = np.zeros((look.size, look.size, 3)), np.zeros((look.size, look.size), bool)
    for row, y in enumerate(_line(1, -1, look.size)):
        for column, x in enumerate(_line(-1, 1, look.size)):
            inward = 1 / math.tan(math.radians(look.fov) / 2)
            length = inward if look.plane else math.hypot(x, y, inward)
            direction = (-x * left + y * up - inward * origin) / length
            ray = Ray(weights, style, origin, direction, look)
            image[row, column], hit[row, column] = ray.colour()
    return image, hit
