"""The images of a step, and what they were made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from gof.fields.field import Field
from gof.geometry.cameras import Rays
from gof.rendering.interface import RenderOutput, RenderSettings
from gof.run.rng import Streams


@dataclass(frozen=True, slots=True)
class Drawn:
    """What samples are made from: latents [n, latent], poses [n, 2]; streams that go on with these
    samples' randomness; the condition of a conditional model's, which only its conditioner looks
    into."""

    latents: Tensor
    poses: Tensor
    streams: Streams
    condition: Any = None


@dataclass(frozen=True, slots=True)
class Fakes:
    """Generated images [n, 3, r, r], what they were drawn from, their field and render."""

    images: Tensor
    drawn: Drawn
    field: Field
    rays: Rays
    settings: RenderSettings
    out: RenderOutput
