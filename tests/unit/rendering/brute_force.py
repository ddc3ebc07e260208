"""The renderer once more: one ray after the other, one sample after the other, in float64."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import torch

from gof.fields.field import Field
from gof.rendering.interface import RenderSettings


@dataclass(frozen=True)
class Pixel:
    hit: bool
    surface_t: float
    rgb: np.ndarray
    alpha: float
    depth: float


class Ray:
    """A field along one ray."""

    def __init__(self, field: Field, origin: np.ndarray, direction: np.ndarray) -> None:
        self.field, self.origin, self.direction = field, origin, direction

    def look(self, t: list[float]) -> tuple[np.ndarray, np.ndarray]:
        """Colours and logits at t."""
        points = np.array([self.origin + x * self.direction for x in t])
        directions = np.tile(self.direction, (len(t), 1))
        with torch.no_grad():
            found = self.field.radiance(torch.tensor(points)[None], torch.tensor(directions)[None])
        return found[0][0].numpy(), found[1][0].numpy()


def level_of(s: RenderSettings) -> float:
    if s.integrator == "occupancy":
        return math.log(s.tau) - math.log(1 - s.tau)
    return -math.log(1 - s.tau) * s.coarse / (s.density_scale * (s.far - s.near))


def centres(low: float, high: float, n: int) -> list[float]:
    return [low + (high - low) * (i + 0.5) / n for i in range(n)]


def weights_of(logits: np.ndarray, t: list[float], s: RenderSettings) -> list[float]:
    through, weights = 1.0, []
    for i, logit in enumerate(logits):
        if s.integrator == "occupancy":
            alpha = 1 / (1 + math.exp(-min(max(logit, -700), 700)))
        else:
            delta = (t[i + 1] if i + 1 < len(t) else s.far) - t[i]
            alpha = 1 - math.exp(-s.density_scale * max(logit, 0) * max(delta, 0))
        weights.append(alpha * through)
        through *= 1 - alpha
    return weights


def surface_of(ray: Ray, t: list[float], logits: np.ndarray, s: RenderSettings) -> float | None:
    """The first crossing, None where there is none."""
    values = logits - level_of(s)
    pairs = [i for i in range(len(t) - 1) if values[i] < 0 <= values[i + 1]]
    if values[0] >= 0 or not pairs:
        return None
    (t0, t1), (v0, v1) = t[pairs[0] : pairs[0] + 2], values[pairs[0] : pairs[0] + 2]
    root = t0 + (t1 - t0) * (-v0 / (v1 - v0))
    for _ in range(s.secant):
        value = ray.look([root])[1][0] - level_of(s)
        if value < 0:
            t0, v0 = root, value
        else:
            t1, v1 = root, value
        root = t0 + (t1 - t0) * (-v0 / (v1 - v0) if v1 - v0 > 1e-12 else 0.5)
    return root


def inverse_transform(t: list[float], weights: list[float], n: int) -> list[float]:
    edges = [t[0], *((a + b) / 2 for a, b in itertools.pairwise(t)), t[-1]]
    share = [(w + 1e-5) / (sum(weights) + 1e-5 * len(weights)) for w in weights]
    found = []
    for i in range(n):
        left, k = (i + 0.5) / n, 0
        while k < len(share) - 1 and left >= share[k]:
            left -= share[k]
            k += 1
        found.append(edges[k] + (edges[k + 1] - edges[k]) * min(left / share[k], 1))
    return found


def pixel(ray: Ray, s: RenderSettings, middle: float | None = None) -> Pixel:
    """One pixel without jitter. middle: of the interval, where a surface is hit; the own one where
    it is not given."""
    coarse = centres(s.near, s.far, s.coarse)
    logits = ray.look(coarse)[1]
    surface = surface_of(ray, coarse, logits, s)
    t = [] if s.integrator == "occupancy" else list(coarse)
    if s.surface:
        width = min(2 * s.half_width, s.far - s.near)
        low, high = s.near, s.far
        if surface is not None:
            about = surface if middle is None else middle
            low = min(max(about - s.half_width, s.near), s.far - width)
            high = low + width
        t += centres(low, high, s.surface)
    if s.fine:
        t += inverse_transform(coarse, weights_of(logits, coarse, s), s.fine)
    t.sort()
    colours, logits = ray.look(t)
    weights = weights_of(logits, t, s)
    alpha = sum(weights)
    rgb = (1 - alpha) * np.array(s.background)
    for weight, colour in zip(weights, colours, strict=True):
        rgb = rgb + weight * colour
    mean = sum(w * x for w, x in zip(weights, t, strict=True)) / max(alpha, 1e-6)
    depth = mean if alpha > 1e-3 else s.far
    return Pixel(surface is not None, s.far if surface is None else surface, rgb, alpha, depth)
