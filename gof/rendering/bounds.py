"""How large logits are at most between those that are known: exact where logits are concave, as
those of convex shapes are, an estimate elsewhere. A line through two known places bounds what lies
beyond them."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from gof.rendering.query import Samples

STEEP = 1e12  # bounds nothing
# Of a pixel between every second one: places (row, column) of the two nearest from either side,
# across, along, on the falling and on the rising diagonal.
LINES = (
    *(((0, 0), (0, -1)), ((0, 1), (0, 2))),
    *(((0, 0), (-1, 0)), ((1, 0), (2, 0))),
    *(((0, 0), (-1, -1)), ((1, 1), (2, 2))),
    *(((0, 1), (-1, 2)), ((1, 0), (2, -1))),
)


def upper_bound(samples: Samples, t: Tensor) -> Tensor:
    """Upper bound [rays, n] of the logits at t, for logits that are concave along the rays: the
    lines through the two samples before and through the two behind. Samples [rays, samples]."""
    last = samples.t.shape[-1] - 1
    if not last:
        return torch.full_like(t, STEEP)
    after = torch.searchsorted(samples.t.contiguous(), t.contiguous())
    other = torch.cat([after - 2, after + 1], -1)
    exists = (other >= 0) & (other <= last)
    start = torch.cat([after - 1, after], -1).clamp(0, last)
    slope = samples.logits.diff(dim=-1) / samples.t.diff(dim=-1).clamp_min(1e-9)
    rise = slope.gather(-1, torch.cat([after - 2, after], -1).clamp(0, last - 1))
    way = torch.cat([t, t], -1) - samples.t.gather(-1, start)
    lines = samples.logits.gather(-1, start) + (rise * way).relu()
    return torch.minimum(*torch.where(exists, lines, STEEP).chunk(2, -1))


def peaks(samples: Samples, near: float, far: float) -> Tensor:
    """Upper bound of the logits along each ray within [near, far], [batch, rays], for logits that
    are concave there: in every gap between two samples they lie below the lines through the two
    samples before it and the two behind it."""
    t, logits = samples.t, samples.logits
    if t.shape[-1] == 1:
        return torch.full_like(t[..., 0], STEEP)
    step = t.diff(dim=-1).clamp_min(1e-9)
    slope = logits.diff(dim=-1) / step
    rising, falling = slope.relu(), (-slope).relu()
    steep = torch.full_like(step[..., :1], STEEP)
    rising, falling = torch.cat([steep, rising], -1), torch.cat([falling, steep], -1)
    up, down = rising[..., :-1], falling[..., 1:]  # into the gap, and out of it
    meet = (logits.diff(dim=-1) + down * step) / (up + down).clamp_min(1e-9)
    inside = logits[..., :-1] + up * torch.minimum(meet.clamp_min(0), step)
    before = logits[..., 0] + falling[..., 0] * (t[..., 0] - near)
    behind = logits[..., -1] + rising[..., -1] * (far - t[..., -1])
    return torch.maximum(torch.maximum(before, behind), inside.amax(-1))


def midway(values: Tensor) -> Tensor:
    """Upper bound of values in the pixels of images [batch, side, side] that are concave there,
    given those of every second pixel of every second row [batch, side / 2, side / 2]: the lines
    through the two nearest on either side. -inf where the value itself is given."""
    half = values.shape[-1]
    found = values.new_full((len(values), 2 * half, 2 * half), -math.inf)
    padded = F.pad(values, (2, 2, 2, 2), value=-math.inf)

    def window(row: int, column: int) -> Tensor:
        return padded[:, 2 + row : 2 + row + half, 2 + column : 2 + column + half]

    nearest = torch.stack([window(*first) for first, _ in LINES])
    further = torch.stack([window(*second) for _, second in LINES])
    lines = nearest + (nearest - further).relu() / 2
    lines = torch.where(nearest.isinf(), math.inf, lines)
    across, along, falling, rising = lines.unflatten(0, (4, 2)).amin(1)
    found[:, ::2, 1::2], found[:, 1::2, ::2] = across, along
    found[:, 1::2, 1::2] = torch.minimum(falling, rising)
    return found
