"""What a face regressor reads off an image, and what every one of them is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Reading:
    """n faces. z [n, d]: whitened coefficients, blocks in the order of
    `gof.morphable.coefficients.BLOCKS`; pose [n, 2]: yaw and pitch, radians; landmarks [n, 68, 2]
    on the image plane (x right, y up, the image spans [-1, 1])."""

    z: Tensor
    pose: Tensor
    landmarks: Tensor


class FaceRegressor(nn.Module, ABC):
    """Images [n, 3, r, r] in [-1, 1], r from 16 up -> Reading, differentiable in the images."""

    @abstractmethod
    def forward(self, images: Tensor) -> Reading:
        """Read a batch of images."""
