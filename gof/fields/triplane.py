"""Tri-plane field (EG3D section 4.1, the backbone of cGOF++): a point's features are the mean of
what three axis-aligned planes hold where it falls onto them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gof.fields.kinds.triplane import LOWEST, TriplaneSettings

PLANES = ((0, 1), (0, 2), (2, 1))  # axes of each, across and down


class Triplane(nn.Module):
    """The weights every image shares. `bind` draws planes from a style [batch, style_size]."""

    def __init__(self, settings: TriplaneSettings) -> None:
        super().__init__()
        self.settings = s = settings
        doublings = (s.resolution // LOWEST).bit_length() - 1
        self.seed = nn.Linear(s.style, s.channels * LOWEST**2)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(s.channels, s.channels, 3, padding=1) for _ in range(doublings)
        )
        self.planes = nn.Conv2d(s.channels, len(PLANES) * s.features, 1)
        self.hidden = nn.Linear(s.features, s.width)
        self.occupancy = nn.Linear(s.width, 1)
        self.colour_layer = nn.Linear(s.width + 3, s.width)
        self.colour = nn.Linear(s.width, 3)

    @property
    def style_size(self) -> int:
        """Length of a style."""
        return self.settings.style

    @torch.no_grad()
    def reset(self, generator: torch.Generator) -> None:
        """Draw the weights (He); the heads start small, so that the start shape rules."""
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                nn.init.kaiming_normal_(
                    module.weight, a=0.2, nonlinearity="leaky_relu", generator=generator
                )
                assert module.bias is not None
                nn.init.zeros_(module.bias)
        self.occupancy.weight.mul_(0.1)
        self.colour.weight.mul_(0.5)

    def bind(self, style: Tensor) -> BoundTriplane:
        """A field for each row of style [batch, style_size]."""
        s = self.settings
        with torch.autocast(style.device.type, enabled=False):
            style = style.to(self.seed.weight.dtype)
            h = F.leaky_relu(self.seed(style), 0.2).view(-1, s.channels, LOWEST, LOWEST)
            for convolution in self.convolutions:
                larger = F.interpolate(h, scale_factor=2, mode="bilinear")
                h = F.leaky_relu(convolution(larger), 0.2)
            planes = self.planes(h).unflatten(1, (len(PLANES), s.features))
        return BoundTriplane(self, planes)


@dataclass(frozen=True, slots=True)
class BoundTriplane:
    """A batch of shapes. planes: [batch, 3, features, r, r]."""

    network: Triplane
    planes: Tensor

    @property
    def difference(self) -> float:
        """Half a pixel of a plane, camera radii: over so much the logit's slope is taken. Within a
        pixel the lookup has a slope of its own, whose derivative autograd does not know."""
        s = self.network.settings
        return s.scene_side / (s.resolution - 1) / 2

    def logits(self, points: Tensor) -> Tensor:
        """See `gof.fields.field.Field.logits`."""
        with torch.autocast(points.device.type, enabled=False):
            return self._logits(self._hidden(points))

    def radiance(self, points: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        """See `gof.fields.field.Field.radiance`."""
        network = self.network
        with torch.autocast(points.device.type, enabled=False):
            h = self._hidden(points)
            c = F.softplus(network.colour_layer(torch.cat([directions, h], -1)))
            return network.colour(c).sigmoid() * 2 - 1, self._logits(h)

    def _hidden(self, points: Tensor) -> Tensor:
        """The decoder's hidden layer at points [batch, n, 3]: [batch, n, width]."""
        batch, n = points.shape[:2]
        scaled = points.to(self.planes.dtype) * (2 / self.network.settings.scene_side)
        at = torch.stack([scaled[..., axes] for axes in PLANES], 1)
        found = F.grid_sample(
            self.planes.flatten(0, 1),
            at.view(batch * len(PLANES), n, 1, 2),
            padding_mode="border",
            align_corners=True,
        )
        features = found.view(batch, len(PLANES), self.network.settings.features, n).mean(1).mT
        return F.softplus(self.network.hidden(features))

    def _logits(self, h: Tensor) -> Tensor:
        return self.network.occupancy(h).squeeze(-1) * self.network.settings.logit_scale
