"""Cameras on the unit sphere that look at the origin.

World: y up, yaw 0 and pitch 0 on +z, radians. A positive yaw moves the camera toward +x, a positive
pitch toward +y. Pixels: the centre of pixel i of n is ((i + 0.5) / n) * 2 - 1; row 0 is the top
row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gof.geometry.settings import Camera
from gof.run.rng import Streams


@dataclass(frozen=True, slots=True)
class Rays:
    """origins [batch, rays, 3]; directions [batch, rays, 3] of unit length.

    side: of the square image whose pixels, all of them and row by row, the rays are; None for any
    other set of rays. Only `camera_rays` says so.
    """

    origins: Tensor
    directions: Tensor
    side: int | None = None

    def __getitem__(self, images: slice) -> Rays:
        """All rays of some images."""
        return Rays(self.origins[images], self.directions[images], self.side)

    def chunk(self, parts: int, dim: int) -> list[Rays]:
        """In so many parts along a dimension, as tensors are cut; parts of an image are none."""
        pairs = zip(self.origins.chunk(parts, dim), self.directions.chunk(parts, dim), strict=True)
        return [Rays(*pair, self.side if dim == 0 else None) for pair in pairs]

    def at(self, t: Tensor) -> Tensor:
        """Points at distances t [batch, rays, samples] -> [batch, rays, samples, 3]."""
        return self.origins[:, :, None] + t[..., None] * self.directions[:, :, None]

    def pick(self, numbers: Tensor) -> Rays:
        """Some rays of each image, numbers [batch, k]; no image any more."""
        which = numbers[..., None].expand(-1, -1, 3)
        return Rays(self.origins.gather(1, which), self.directions.gather(1, which))


def sample_poses(camera: Camera, streams: Streams) -> Tensor:
    """Yaw and pitch from the camera's law, one pair a stream: [batch, 2], radians."""
    if camera.law == "sphere":
        low, high = (math.sin(bound) for bound in camera.elevation)
        u = streams.uniform(2)
        yaw = (u[:, 0] * 2 - 1) * math.pi
        return torch.stack([yaw, (low + (high - low) * u[:, 1]).clamp(-1, 1).asin()], -1)
    spread = torch.tensor([camera.yaw, camera.pitch], device=streams.device)
    mean = torch.tensor([camera.yaw_mean, camera.pitch_mean], device=streams.device)
    unit = streams.normal(2) if camera.law == "gaussian" else streams.uniform(2) * 2 - 1
    return mean + unit * spread


def camera_axes(poses: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Right, up and backward axes of cameras at poses [batch, 2] (yaw, pitch): three of [batch, 3].

    The backward axis points from the origin to the camera, so it is also the camera's position.
    """
    yaw, pitch = poses.unbind(-1)
    zero = torch.zeros_like(yaw)
    back = torch.stack([yaw.sin() * pitch.cos(), pitch.sin(), yaw.cos() * pitch.cos()], -1)
    right = torch.stack([yaw.cos(), zero, -yaw.sin()], -1)
    return right, torch.cross(back, right, dim=-1), back


def pixel_grid(resolution: int, device: torch.device | None = None) -> Tensor:
    """Pixel centres in [-1, 1] as (x right, y up), row by row from the top: [resolution^2, 2]."""
    centres = (torch.arange(resolution, device=device) + 0.5) / resolution * 2 - 1
    y, x = torch.meshgrid(-centres, centres, indexing="ij")
    return torch.stack([x, y], -1).reshape(-1, 2)


def camera_rays(poses: Tensor, resolution: int, fov_deg: float) -> Rays:
    """Rays through all pixel centres for poses [batch, 2]: rays = resolution^2."""
    rays = plane_rays(pixel_grid(resolution, poses.device), poses, fov_deg)
    return replace(rays, side=resolution)


def plane_rays(plane: Tensor, poses: Tensor, fov_deg: float) -> Rays:
    """Rays through points of the image plane (x right, y up, the image spans [-1, 1]), [batch,
    rays, 2] or [rays, 2] for all, for poses [batch, 2]. The way back of `project`."""
    right, up, back = camera_axes(poses)
    x, y = (plane * math.tan(math.radians(fov_deg) / 2)).split(1, -1)
    directions = x * right[:, None] + y * up[:, None] - back[:, None]
    directions = directions / directions.norm(dim=-1, keepdim=True)
    return Rays(back[:, None].expand_as(directions), directions)


def project(points: Tensor, poses: Tensor, fov_deg: float) -> tuple[Tensor, Tensor]:
    """Points [batch, n, 3] seen from poses [batch, 2]: image plane [batch, n, 2] (x right, y up,
    the image spans [-1, 1]) and z_depth [batch, n] along the viewing axis."""
    right, up, back = camera_axes(poses)
    relative = points - back[:, None]
    z_depth = -(relative @ back[..., None]).squeeze(-1)
    plane = torch.stack(
        [(relative @ right[..., None]).squeeze(-1), (relative @ up[..., None]).squeeze(-1)], -1
    )
    return plane / (z_depth * math.tan(math.radians(fov_deg) / 2))[..., None], z_depth
