"""Authored colours of the head model: where skin, lips, brows, hair, eyes and mouth are, and which
pigments colour them.

The asset has no colours. A vertex's linear-light colour is base * exp(-sum_k amount_k *
absorbance_k), the Beer-Lambert law with log-normal amounts: skin colour is nearly linear in melanin
and haemoglobin in log space (Tsumura et al., "Image-based skin color and texture analysis/synthesis
by extracting hemoglobin and melanin information in the skin", 2003). Skin's melanin also darkens
hair and iris. Positions are those of the base mesh in decimetres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gof.heads.asset import PARTS

# Outline of the hair in side view (height, depth), from the middle of the forehead backwards over
# the ear to the nape.
HAIRLINE = np.array(
    [
        (8.06, 1.60),
        (8.03, 1.42),
        (7.96, 1.25),
        (7.74, 1.04),
        (7.52, 0.92),
        (7.20, 0.82),
        (7.05, 0.74),
        (7.10, 0.62),
        (7.36, 0.58),
        (7.42, 0.40),
        (7.20, 0.22),
        (6.85, 0.12),
        (6.62, 0.02),
        (6.50, -0.20),
        (6.48, -0.90),
        (9.20, -0.90),
        (9.20, 1.60),
    ]
)
# Middle line of a brow in front view (distance from the middle, height) and its half-height there.
BROW = np.array([(0.150, 7.525), (0.27, 7.540), (0.40, 7.552), (0.52, 7.530), (0.61, 7.475)])
BROW_HALF = np.array([0.040, 0.042, 0.034, 0.024, 0.010])


@dataclass(frozen=True, slots=True)
class Pigment:
    """A pigment: regions and their absorbance (red, green, blue) at amount 1, and the spread of the
    logarithm of the amount."""

    name: str
    absorbance: dict[str, tuple[float, float, float]]
    spread: float


# Linear-light colours without pigments.
BASES = {
    "skin": (0.93, 0.80, 0.71),
    "hair": (0.80, 0.68, 0.50),
    "sclera": (0.80, 0.77, 0.74),
    "iris": (0.34, 0.46, 0.58),
    "pupil": (0.012, 0.012, 0.012),
    "mouth": (0.16, 0.035, 0.03),
    "teeth": (0.72, 0.66, 0.54),
    "lid": (0.20, 0.11, 0.08),
}
PIGMENTS = (
    Pigment(
        "melanin",
        {
            "skin": (0.42, 0.60, 0.70),
            "hair": (0.45, 0.52, 0.60),
            "iris": (0.45, 0.60, 0.80),
            "lid": (0.3, 0.35, 0.4),
            "lips": (0.10, 0.10, 0.10),
        },
        0.7,
    ),
    Pigment(
        "blood",
        {
            "skin": (0.02, 0.16, 0.13),
            "flush": (0.01, 0.08, 0.06),
            "lips": (0.12, 0.50, 0.38),
        },
        0.45,
    ),
    Pigment("carotene", {"skin": (0.0, 0.04, 0.18)}, 0.5),
    Pigment("flush", {"flush": (0.01, 0.10, 0.08)}, 0.5),
    Pigment("lips", {"lips": (0.10, 0.42, 0.30)}, 0.6),
    Pigment("hair_black", {"hair": (1.15, 1.30, 1.45), "brows": (0.45, 0.50, 0.52)}, 0.75),
    Pigment("hair_red", {"hair": (0.10, 0.50, 0.85), "brows": (0.02, 0.10, 0.18)}, 0.8),
    Pigment("brows", {"brows": (0.75, 0.80, 0.82)}, 0.5),
    Pigment("stubble", {"stubble": (0.06, 0.05, 0.04)}, 0.9),
    Pigment("iris", {"iris": (0.55, 0.85, 1.30)}, 0.9),
)


def smoothstep(value: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 below low, 1 above high, smooth between."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _distance_to_polyline(points: np.ndarray, line: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance of points [n, 2] to a polyline [m, 2], and the position of the nearest point along
    it (in segments)."""
    a, b = line[:-1], line[1:]
    along = ((points[:, None] - a) * (b - a)).sum(-1) / ((b - a) ** 2).sum(-1)
    along = along.clip(0, 1)
    gap = np.linalg.norm(points[:, None] - (a + along[..., None] * (b - a)), axis=-1)
    best = gap.argmin(1)
    rows = np.arange(len(points))
    return gap[rows, best], best + along[rows, best]


def _inside(points: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """Which points [n, 2] lie in a closed polygon [m, 2]: even-odd rule."""
    a, b = polygon, np.roll(polygon, -1, 0)
    y, x = points[:, None, 0], points[:, None, 1]
    spans = (a[:, 1] > x) != (b[:, 1] > x)
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = a[:, 0] + (x - a[:, 1]) * (b[:, 0] - a[:, 0]) / (b[:, 1] - a[:, 1])
    return (spans & (y < crossing)).sum(1) % 2 == 1


def hair_mask(points: np.ndarray, ears: np.ndarray, softness: float) -> np.ndarray:
    """Share of hair at points [n, 3], 0 to 1; ears [n] have none."""
    side = points[:, [1, 2]]
    gap, _ = _distance_to_polyline(side, HAIRLINE[:-2])
    signed = np.where(_inside(side, HAIRLINE), gap, -gap)
    return smoothstep(signed, -softness, softness) * (1 - ears)


def _brow_mask(points: np.ndarray) -> np.ndarray:
    gap, along = _distance_to_polyline(np.abs(points[:, :2]), BROW)
    half = np.interp(along, np.arange(len(BROW)), BROW_HALF)
    return smoothstep(-gap, -1.35 * half, -0.5 * half) * (points[:, 2] > 1.0)


def _eye_masks(points: np.ndarray, part: np.ndarray) -> dict[str, np.ndarray]:
    """Sclera, iris, pupil by the angle from the direction of gaze; the rim of the lids by the
    distance to the eyeball."""
    masks = {name: np.zeros(len(points)) for name in ("sclera", "iris", "pupil", "lid")}
    for eye in ("helper-l-eye", "helper-r-eye"):
        own = part == PARTS.index(eye)
        ball = points[own]
        center = (ball.max(0) + ball.min(0)) / 2
        radius = (ball[:, 1].max() - ball[:, 1].min()) / 2
        offset = points - center
        distance = np.linalg.norm(offset, axis=1)
        angle = np.degrees(np.arccos(np.clip(offset[:, 2] / distance, -1, 1)))
        pupil, disc = 1 - smoothstep(angle, 9, 13), 1 - smoothstep(angle, 24, 29)
        masks["pupil"] += own * pupil
        masks["iris"] += own * disc * (1 - pupil)
        masks["sclera"] += own * (1 - disc)
        near = 1 - smoothstep(distance, radius * 1.06, radius * 1.22)
        masks["lid"] += (part == 0) * near * (offset[:, 2] > 0)
    return masks


def regions(
    points: np.ndarray, part: np.ndarray, painted: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Shares of the regions at vertices of the refined base mesh: points [n, 3] in dm, part [n],
    and the asset's painted regions (lips, ears, inside-mouth) [n]."""
    skin_part = part == 0
    x, y, z = np.abs(points[:, 0]), points[:, 1], points[:, 2]
    ears = painted["ears"] * skin_part
    masks = {"lips": painted["lips"] * skin_part, "mouth": painted["inside-mouth"] * skin_part}
    teeth = np.isin(part, [PARTS.index(p) for p in PARTS if p.endswith("teeth")]).astype(float)
    front = skin_part * smoothstep(z, 0.9, 1.2)
    cheeks = np.exp(-((x - 0.42) ** 2 + (y - 6.98) ** 2) / 0.022) * front
    nose = np.exp(-(x**2 + (y - 6.93) ** 2) / 0.012) * front
    beard = smoothstep(-y, -6.95, -6.75) * smoothstep(y, 6.02, 6.16) * smoothstep(z, 0.6, 0.95)
    masks |= _eye_masks(points, part)
    masks["teeth"] = teeth
    masks["hair"] = hair_mask(points, ears, 0.06) * skin_part
    masks["brows"] = _brow_mask(points) * skin_part * (1 - masks["lid"])
    masks["flush"] = np.maximum(cheeks, 0.8 * nose) + 0.5 * ears
    masks["stubble"] = beard * skin_part * (1 - masks["lips"]) * (1 - masks["mouth"])
    covered = np.stack([masks[name] for name in BASES if name != "skin"]).sum(0)
    masks["skin"] = np.clip(1 - covered, 0, 1)
    masks["ears"] = ears
    return masks


def colour_model(
    masks: dict[str, np.ndarray], openness: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """log_base [n, 3], absorbance [pigments, n, 3] and spread [pigments]; openness [n] darkens what
    little light reaches."""
    shares = np.stack([masks[name] for name in BASES], -1)
    shares = shares / shares.sum(-1, keepdims=True)
    log_base = shares @ np.log(list(BASES.values()))
    log_base = log_base + 0.6 * np.log(openness.clip(0.05, 1))[:, None]
    absorbance = np.zeros((len(PIGMENTS), *log_base.shape))
    for number, pigment in enumerate(PIGMENTS):
        for name, rgb in pigment.absorbance.items():
            absorbance[number] += masks[name][:, None] * np.array(rgb)
    return log_base, absorbance, np.array([pigment.spread for pigment in PIGMENTS])
