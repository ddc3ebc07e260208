"""A z-buffer in batched tensor operations: which triangle each pixel sees, where on it, and how far
away.

Perspective-correct interpolation follows Heckbert and Moreton, "Interpolation for polygon texture
mapping and shading" (1991): 1 / z and attribute / z are affine on the screen. No atomics, no custom
kernels: the same code runs on CPU and GPU, and its result does not depend on the order in which
pixels are visited.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gof.cameras import project

_EMPTY = torch.iinfo(torch.int64).max
# Pixel centres on a shared edge belong to both triangles; the nearer, then the first, keeps them.
_EDGE = -1e-5
_MARGIN = 1e-3  # pixels; what single precision may be wrong by


@dataclass(frozen=True, slots=True)
class Raster:
    """What pixels see. triangle_id [batch, h, w] (-1 where nothing), barycentric [batch, h, w, 3]
    (perspective-correct, 0 where nothing), depth [batch, h, w] (along the ray, 0 where nothing),
    triangles [faces, 3]."""

    triangle_id: Tensor
    barycentric: Tensor
    depth: Tensor
    triangles: Tensor

    @property
    def mask(self) -> Tensor:
        """Pixels that see the mesh: bool [batch, h, w]."""
        return self.triangle_id >= 0


@dataclass(frozen=True, slots=True)
class _Setup:
    """Triangles that may cover a pixel centre. image, face [n]; box [n, 4]: first column and row,
    columns and rows of pixels; planes [n, 3, 3]: second and third barycentric coordinate on the
    screen and 1 / z (second axis) as affine functions of the pixel's place in the box: value at the
    first centre, step to the right, step down (last axis); near [n, 3]: 1 / z of the corners."""

    image: Tensor
    face: Tensor
    box: Tensor
    planes: Tensor
    near: Tensor


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Triangles that look here and have a pixel centre in their box: place [n] in [images, faces];
    x, y: three corners, each [n]; box [n, 4] as in _Setup."""

    place: Tensor
    x: list[Tensor]
    y: list[Tensor]
    box: Tensor


def _candidates(xy: Tensor, triangles: Tensor, resolution: int) -> _Candidates:
    x, y = ([axis.index_select(1, triangles[:, k]) for k in range(3)] for axis in xy.unbind(-1))
    # rows grow downwards, so triangles that are counterclockwise seen from outside have a negative
    # area
    area = (x[1] - x[0]) * (y[2] - y[0]) - (y[1] - y[0]) * (x[2] - x[0])
    place = (area < 0).flatten().nonzero().squeeze(-1)
    x, y = ([corner.flatten().index_select(0, place) for corner in axis] for axis in (x, y))
    first, size = [], []
    for a, b, c in (x, y):
        low = torch.minimum(torch.minimum(a, b), c).sub_(0.5 + _MARGIN).ceil_().clamp_(min=0)
        high = torch.maximum(torch.maximum(a, b), c).sub_(0.5 - _MARGIN).floor_()
        first.append(low)
        size.append(high.clamp_(max=resolution - 1).sub_(low).add_(1))
    kept = ((size[0] > 0) & (size[1] > 0)).nonzero().squeeze(-1)
    x, y = ([corner.index_select(0, kept) for corner in axis] for axis in (x, y))
    box = torch.stack([*first, *size], -1).index_select(0, kept)
    return _Candidates(place.index_select(0, kept), x, y, box)


def _set_up(xy: Tensor, z: Tensor, triangles: Tensor, resolution: int) -> _Setup:
    """Triangles to draw, all corners before the camera."""
    seen = _candidates(xy, triangles, resolution)
    image, face = seen.place // len(triangles), seen.place % len(triangles)
    corners = triangles.index_select(0, face) + (image * xy.shape[1])[:, None]
    depths = z.flatten()[corners]
    (ax, bx, cx), (ay, by, cy) = seen.x, seen.y
    bx, by, cx, cy = bx - ax, by - ay, cx - ax, cy - ay  # from the first corner
    ax, ay = ax - seen.box[:, 0] - 0.5, ay - seen.box[:, 1] - 0.5  # from the first pixel centre
    area = bx * cy - by * cx
    near = 1 / depths
    second = torch.stack([cx * ay - cy * ax, cy, -cx], -1) / area[:, None]
    third = torch.stack([ax * by - ay * bx, -by, bx], -1) / area[:, None]
    inverse = second * (near[:, 1:2] - near[:, :1]) + third * (near[:, 2:] - near[:, :1])
    inverse[:, 0] += near[:, 0]
    planes = torch.stack([second, third, inverse], 1)
    box = seen.box.long()
    ahead = depths.amin(-1) > 0
    if not ahead.all():
        image, face, box, planes, near = (v[ahead] for v in (image, face, box, planes, near))
    return _Setup(image, face, box, planes, near)


def _enumerate(count: Tensor) -> tuple[Tensor, Tensor]:
    """For counts [n]: which entry each of the sum(count) items belongs to, and its number there."""
    owner = torch.repeat_interleave(count)
    first = count.cumsum(0) - count
    return owner, torch.arange(len(owner), device=count.device) - first[owner]


def _fragments(setup: _Setup) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """All (triangle, pixel) pairs with the pixel's centre in the triangle: triangle [m] (row of
    setup), column, row and z_depth.

    Each row of a triangle is an interval of columns, cut out by its three edges, so no pixel
    outside is looked at.
    """
    owner, down = _enumerate(setup.box[:, 3])
    planes = setup.planes.index_select(0, owner)
    left = planes[..., 0] + down[:, None] * planes[..., 2]
    value = torch.stack([left[:, 0], left[:, 1], 1 - left[:, 0] - left[:, 1]], -1)
    slope = torch.stack([planes[:, 0, 1], planes[:, 1, 1], -planes[:, 0, 1] - planes[:, 1, 1]], -1)
    slope = torch.where(slope == 0, 1e-30, slope)
    meets = (_EDGE - value) / slope
    first = torch.where(slope > 0, meets, 0.0).amax(-1).clamp_(min=0).ceil_()
    width = setup.box[:, 2].index_select(0, owner)
    last = torch.where(slope < 0, meets, torch.inf).amin(-1).floor_().minimum(width - 1)
    count = (last - first + 1).clamp_(min=0).long()
    line, right = _enumerate(count)
    right = right + first[line].long()
    z = 1 / (left[:, 2][line] + right * planes[:, 2, 1][line])
    triangle = owner[line]
    column = setup.box[:, 0][triangle] + right
    row = (setup.box[:, 1][owner] + down)[line]
    return triangle, column, row, z


def rasterise(
    vertices: Tensor, triangles: Tensor, poses: Tensor, resolution: int, fov_deg: float
) -> Raster:
    """Render meshes [batch, vertices, 3] with shared triangles [faces, 3] (counterclockwise from
    outside) from poses [batch, 2] at the pixel centres of `gof.cameras.camera_rays`. Faces that
    look away are not drawn. A mesh outside the view gives an empty mask; where that is an error,
    the caller says so."""
    # in double precision, so that an image does not depend on the batch it is in
    plane, z = (v.float() for v in project(vertices.double(), poses.double(), fov_deg))
    xy = torch.stack([plane[..., 0] + 1, 1 - plane[..., 1]], -1) * (resolution / 2)
    setup = _set_up(xy, z, triangles, resolution)
    triangle, column, row, z_pixel = _fragments(setup)
    # a positive float32 and its bits as an integer have the same order: depth in the high half,
    # triangle in the low
    key = z_pixel.view(torch.int32).long() << 32 | triangle
    pixel = (setup.image[triangle] * resolution + row) * resolution + column
    buffer = key.new_full((len(vertices) * resolution**2,), _EMPTY)
    buffer.scatter_reduce_(0, pixel, key, "amin")
    return _resolve(buffer, setup, triangles, resolution, fov_deg)


def _resolve(
    buffer: Tensor, setup: _Setup, triangles: Tensor, resolution: int, fov_deg: float
) -> Raster:
    """Barycentric coordinates and depth of the winners."""
    pixel = (buffer != _EMPTY).nonzero().squeeze(-1)
    winner = buffer[pixel] & 0xFFFFFFFF
    within = pixel % resolution**2
    row, column = within // resolution, within % resolution
    box, planes = setup.box.index_select(0, winner), setup.planes.index_select(0, winner)
    right, down = (column - box[:, 0])[:, None], (row - box[:, 1])[:, None]
    values = planes[..., 0] + right * planes[..., 1] + down * planes[..., 2]
    weights = torch.stack([1 - values[:, 0] - values[:, 1], values[:, 0], values[:, 1]], -1)
    weights = (weights * setup.near.index_select(0, winner)).clamp_(min=0)
    half = math.tan(math.radians(fov_deg) / 2)
    x, y = ((k + 0.5) / resolution * 2 - 1 for k in (column, row))
    length = (1 + half * half * (x * x + y * y)).sqrt()
    images = len(buffer) // resolution**2
    triangle_id = torch.full_like(buffer, -1)
    triangle_id[pixel] = setup.face[winner]
    depth = torch.zeros(len(buffer), device=buffer.device)
    depth[pixel] = length / values[:, 2]
    barycentric = torch.zeros(len(buffer), 3, device=buffer.device)
    barycentric[pixel] = weights / weights.sum(-1, keepdim=True)
    shape = (images, resolution, resolution)
    return Raster(
        triangle_id.view(shape), barycentric.view(*shape, 3), depth.view(shape), triangles
    )


def interpolate(raster: Raster, attribute: Tensor) -> Tensor:
    """Vertex attributes [batch, vertices, channels] at the pixels: [batch, h, w, channels], 0 where
    nothing is seen."""
    batch, height, width = raster.triangle_id.shape
    pixel = raster.mask.flatten().nonzero().squeeze(-1)
    corners = raster.triangles.index_select(0, raster.triangle_id.flatten().index_select(0, pixel))
    corners = corners + (pixel // (height * width) * attribute.shape[1])[:, None]
    share = raster.barycentric.view(-1, 3).index_select(0, pixel)
    flat = attribute.flatten(0, 1)
    mixed = flat.index_select(0, corners[:, 0]) * share[:, :1]
    for k in (1, 2):
        mixed += flat.index_select(0, corners[:, k]) * share[:, k : k + 1]
    result = attribute.new_zeros(batch * height * width, attribute.shape[-1])
    result[pixel] = mixed
    return result.view(batch, height, width, -1)
