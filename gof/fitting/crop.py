"""Where the face of a photograph lies: a crop into the camera's frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gof.run.files import InputError

SIZE = 256  # of the crop, pixels


@dataclass(frozen=True, slots=True)
class Crop:
    """A similarity of planes, crop -> square picture: scale, angle (radians, counterclockwise) and
    where the crop's centre comes to lie, [2]."""

    scale: float
    angle: float
    centre: tuple[float, float]

    def to_picture(self, points: Tensor) -> Tensor:
        """Points [..., 2] of the crop's plane -> of the picture's."""
        return points @ self._turn().mT * self.scale + points.new_tensor(self.centre)

    def to_crop(self, points: Tensor) -> Tensor:
        """The way back of `to_picture`."""
        return (points - points.new_tensor(self.centre)) @ self._turn() / self.scale

    def _turn(self) -> Tensor:
        angle = torch.tensor(self.angle)
        return torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()]).view(2, 2)

    def cut(self, picture: Image.Image) -> np.ndarray:
        """The crop of a square picture, uint8 [SIZE, SIZE, 3]; the picture's border goes on beyond
        it."""
        # area averages first, so that a large face does not alias
        small = picture.reduce(max(1, int(self.scale * picture.width / SIZE)))
        pixels = torch.from_numpy(np.array(small)).permute(2, 0, 1)[None].float()
        centres = (torch.arange(SIZE) + 0.5) / SIZE * 2 - 1
        y, x = torch.meshgrid(-centres, centres, indexing="ij")
        at = self.to_picture(torch.stack([x, y], -1)) * torch.tensor([1.0, -1.0])
        sampled = torch.nn.functional.grid_sample(
            pixels, at[None], mode="bilinear", padding_mode="border", align_corners=False
        )
        return sampled[0].permute(1, 2, 0).round().clamp(0, 255).byte().numpy()


def crop_around(points: Tensor, goal: Tensor) -> Crop:
    """The crop in which landmarks [68, 2] of a picture lie best, by least squares, on those of the
    mean head, goal [68, 2]. Raises InputError where they all fall together."""
    source, target = goal.double(), points.double()
    centred, moved = source - source.mean(0), target - target.mean(0)
    a = complex(*_dot(centred, moved)) / float(centred.square().sum())
    if abs(a) < 1e-4:
        raise InputError("its landmarks all lie in one place")
    scale, angle = abs(a), float(np.angle(a))
    shifted = Crop(scale, angle, (0.0, 0.0)).to_picture(source.float().mean(0)).double()
    x, y = (target.mean(0) - shifted).tolist()
    return Crop(scale, angle, (x, y))


def _dot(a: Tensor, b: Tensor) -> tuple[float, float]:
    """Sum of conj(a) b over points [n, 2] as complex numbers: real and imaginary part."""
    real = (a * b).sum()
    return float(real), float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum())
