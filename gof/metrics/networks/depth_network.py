"""A network that learns depth from images with depth, by which a generator's shapes are judged
(method-gof 3.5)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from gof.geometry.settings import Camera
from gof.run import rng
from gof.run.files import InputError
from gof.workarounds.optimizers import Adam

if TYPE_CHECKING:
    from gof.metrics.depth import DepthNet


@dataclass(frozen=True, slots=True)
class Pairs:
    """Images [n, 3, r, r] in [-1, 1] with depth [n, r, r] in camera radii where mask, bool [n, r,
    r], is true."""

    images: Tensor
    depth: Tensor
    mask: Tensor

    def to(self, device: str) -> Pairs:
        """The same pairs on a device."""
        return Pairs(self.images.to(device), self.depth.to(device), self.mask.to(device))


class DepthUNet(nn.Module):
    """Image -> depth, a small U-Net that also sees where in the image a pixel is.

    Channels double twice while the side halves three times; skips are added. The output is depth in
    units of half the camera's range around its middle, so that 0 is the distance of the look-at
    point.
    """

    def __init__(self, width: int, camera: Camera) -> None:
        super().__init__()
        self.middle = (camera.near + camera.far) / 2
        self.half_range = (camera.far - camera.near) / 2
        w = width
        self.down = nn.ModuleList(
            [
                _conv(5, w, 1),
                _conv(w, 2 * w, 2),
                _conv(2 * w, 4 * w, 2),
                _conv(4 * w, 4 * w, 2),
            ]
        )
        self.bottom = _conv(4 * w, 4 * w, 1)
        # Convolved small, then enlarged: at the full size only the last two layers work.
        self.up = nn.ModuleList(
            [_conv(4 * w, 4 * w, 1), _conv(4 * w, 2 * w, 1), _conv(2 * w, w, 1)]
        )
        self.head = nn.Sequential(_conv(w, w, 1), nn.Conv2d(w, 1, 3, padding=1))

    @torch.no_grad()
    def reset(self, generator: torch.Generator) -> None:
        """Draw all weights from a generator; the output starts at the middle of the range."""
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        last = self.head[-1]
        assert isinstance(last, nn.Conv2d)
        nn.init.zeros_(last.weight)

    def units(self, images: Tensor) -> Tensor:
        """Images [n, 3, r, r] -> depth in the network's units [n, r, r]; r must be a multiple of
        8."""
        n, _, h, w = images.shape
        line = torch.linspace(-1, 1, h, device=images.device)
        y, x = torch.meshgrid(line, line, indexing="ij")
        here = torch.stack([x, y]).expand(n, 2, h, w)
        y = torch.cat([images, here], 1).contiguous(memory_format=torch.channels_last)
        skips = []
        for layer in self.down:
            y = layer(y)
            skips.append(y)
        y = self.bottom(skips.pop())
        for layer in self.up:
            y = F.interpolate(layer(y), scale_factor=2.0, mode="nearest") + skips.pop()
        units: Tensor = self.head(y).squeeze(1)
        return units

    def forward(self, images: Tensor) -> Tensor:
        """Images [n, 3, r, r] in [-1, 1] -> depth [n, r, r] in camera radii."""
        return self.middle + self.half_range * self.units(images)


def _conv(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def train_depth_net(pairs: Pairs, settings: DepthNet, camera: Camera, seed: int) -> DepthUNet:
    """Fit a depth network to pairs: mean absolute error over the mask, Adam, rate falling to zero
    along a cosine.

    Pairs are mirrored and recoloured at random. Everything is drawn from `seed`. Raises InputError
    when no pixel is covered.
    """
    if not bool(pairs.mask.any()):
        raise InputError("depth network: no pixel of its training images is covered by a shape")
    device = pairs.images.device
    network = DepthUNet(settings.width, camera)
    network.reset(rng.generator(seed, "depth network"))
    network = network.to(device)
    target = (pairs.depth - network.middle) / network.half_range
    optimizer = Adam(network.parameters(), settings.lr, fused=True)
    draws = rng.generator(seed, "depth network batches")
    for step in tqdm(range(settings.steps), desc="depth network", disable=None):
        optimizer.param_groups[0]["lr"] = (
            settings.lr * (1 + math.cos(math.pi * step / settings.steps)) / 2
        )
        rows = torch.randint(len(target), (settings.batch,), generator=draws)
        flip = torch.rand(settings.batch, generator=draws) < 0.5
        images, wanted, mask = (
            _mirror(x[rows.to(device)], flip.to(device)) for x in (pairs.images, target, pairs.mask)
        )
        apart = (network.units(_recolour(images, draws)) - wanted).abs()
        loss = (apart * mask).sum() / mask.sum().clamp_min(1)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    return network.eval().requires_grad_(False)


def _recolour(images: Tensor, draws: torch.Generator) -> Tensor:
    """Random gain (0.7 to 1.3) and offset (-0.2 to 0.2) of each colour of each image: they tell no
    depth, and generated colours differ from real ones."""
    gain, offset = torch.rand(2, len(images), 3, 1, 1, generator=draws).to(images.device) * 2 - 1
    return images * (1 + 0.3 * gain) + 0.2 * offset


def _mirror(x: Tensor, flip: Tensor) -> Tensor:
    return torch.where(flip.view(-1, *[1] * (x.dim() - 1)), x.flip(-1), x)


@torch.no_grad()
def predict(network: DepthUNet, images: Tensor, resolution: int) -> Tensor:
    """Depth [n, resolution, resolution] of images [n, 3, r, r], enlarged by cubic interpolation
    where r is smaller."""
    depth = network(images)
    if depth.shape[-1] == resolution:
        return depth
    size = (resolution, resolution)
    wide = F.interpolate(depth[:, None], size, mode="bicubic", align_corners=False)
    return wide.squeeze(1)


def shrink_pairs(pairs: Pairs, factor: int) -> Pairs:
    """Pairs averaged over factor x factor pixels; depth over the covered ones of them."""
    if factor == 1:
        return pairs
    weight = F.avg_pool2d(pairs.mask.float()[:, None], factor)
    depth = F.avg_pool2d((pairs.depth * pairs.mask)[:, None], factor) / weight.clamp_min(1e-6)
    images = F.avg_pool2d(pairs.images, factor)
    return Pairs(images, depth.squeeze(1), weight.squeeze(1) >= 0.5)
