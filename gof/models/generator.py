"""The generator: a mapping network, the field that its styles bind, and the mean style for
truncation."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from gof.fields.field import Field
from gof.fields.registry import FIELDS
from gof.fields.start_shape import Started
from gof.fields.view_independent import ViewIndependent
from gof.models.settings import Networks
from gof.run import rng


class Generator(nn.Module):
    """z -> style -> field. Its state is all an image needs."""

    mean_style: Tensor
    stretch: Tensor

    def __init__(self, networks: Networks) -> None:
        super().__init__()
        mapping, self.start_shape = networks.mapping, networks.start_shape
        self.latent = mapping.latent
        self.field = FIELDS[networks.field.name].build(networks.field)
        self.view_dependent = networks.field.view_dependent
        widths = [mapping.latent] + [mapping.width] * mapping.layers
        hidden: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            hidden += [nn.Linear(inputs, outputs), nn.LeakyReLU(0.2)]
        self.mapping = nn.Sequential(*hidden, nn.Linear(widths[-1], self.field.style_size))
        self.register_buffer("mean_style", torch.zeros(self.field.style_size))
        stretch = torch.tensor(self.start_shape.stretch, dtype=torch.float64)
        self.register_buffer("stretch", stretch, persistent=False)

    @torch.no_grad()
    def reset(self, seed: int) -> None:
        """Draw all weights from a seed."""
        generator = rng.generator(seed, "generator weights")
        self.field.reset(generator)
        linears = [layer for layer in self.mapping if isinstance(layer, nn.Linear)]
        for layer in linears:
            nn.init.kaiming_normal_(
                layer.weight, a=0.2, nonlinearity="leaky_relu", generator=generator
            )
            nn.init.zeros_(layer.bias)
        # Small raw frequencies and phases to begin with: the field starts nearly unmodulated.
        linears[-1].weight.mul_(0.25)

    @torch.no_grad()
    def estimate_mean_style(self, count: int) -> None:
        """Store the mean style of `count` latents, the centre that truncation pulls toward."""
        z = torch.randn(count, self.latent, generator=rng.generator(0, "mean style"))
        self.mean_style.copy_(self.mapping(z.to(self.mean_style)).mean(0))

    def style(self, z: Tensor) -> Tensor:
        """Latents [batch, latent] -> styles [batch, style_size]."""
        style: Tensor = self.mapping(z)
        return style

    def truncate(self, style: Tensor, psi: float) -> Tensor:
        """Pull styles toward the mean style; psi 1 leaves them, psi 0 gives the mean."""
        return self.mean_style + psi * (style - self.mean_style)

    def bind(self, style: Tensor) -> Field:
        """The fields of a batch of styles, upon the start shape if there is one."""
        field: Field = self.field.bind(style)
        if not self.view_dependent:
            field = ViewIndependent(field)
        return Started(field, self.start_shape, self.stretch) if self.start_shape.radius else field
