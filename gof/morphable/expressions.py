"""A law of expressions for models whose units have the names of ARKit's blend shapes: what faces
are seen to do, and how often."""

from __future__ import annotations

import torch
from torch import Tensor

from gof.run.rng import Streams

# Expressions as (share of the expressive heads, {unit: largest amplitude}); Left and Right are
# added where both exist.
EXPRESSIONS: tuple[tuple[float, dict[str, float]], ...] = (
    (0.34, {"mouthSmile": 0.9, "cheekSquint": 0.6, "mouthDimple": 0.3}),
    (0.16, {"mouthSmile": 0.8, "jawOpen": 0.30, "cheekSquint": 0.5, "mouthUpperUp": 0.3}),
    (0.14, {"jawOpen": 0.45}),
    (0.08, {"browInnerUp": 0.9, "browOuterUp": 0.8, "eyeWide": 0.6, "jawOpen": 0.25}),
    (0.08, {"browDown": 0.8, "eyeSquint": 0.5, "mouthPress": 0.5}),
    (0.08, {"mouthFrown": 0.8, "browInnerUp": 0.6}),
    (0.06, {"mouthPucker": 0.7}),
    (0.06, {"eyeBlink": 0.9}),
)
NEUTRAL = 0.4  # share of heads without an expression


def random_expressions(names: tuple[str, ...], streams: Streams) -> Tensor:
    """Sparse expression coefficients [batch, len(names)], 0 to 1: one draw a stream."""
    draw = streams.uniform(3 + max(len(units) for _, units in EXPRESSIONS))
    choice = torch.searchsorted(
        torch.tensor([share for share, _ in EXPRESSIONS]).cumsum(0), draw[:, 0].contiguous()
    ).clamp(max=len(EXPRESSIONS) - 1)
    result = torch.zeros(len(draw), len(names))
    for row in range(len(draw)):
        if draw[row, 1] < NEUTRAL:
            continue
        strength = 0.3 + 0.7 * draw[row, 2]
        for k, (unit, largest) in enumerate(EXPRESSIONS[int(choice[row])][1].items()):
            amplitude = largest * strength * (0.5 + 0.5 * draw[row, 3 + k])
            for side in ("", "Left", "Right"):
                if unit + side in names:
                    result[row, names.index(unit + side)] = amplitude
    return result
