"""Values of a field on a grid, asked for only where its surface can be: level by level, from a
coarse grid to the finest, so that the cost grows with the surface and not with the volume."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from gof.fields import Field

COARSE = 32  # cells along an edge of the coarsest grid, more or less
SAFETY = 1.25  # on slopes between neighbours, which say how far the surface may be
CHUNK = 2**18  # points evaluated together


@dataclass(frozen=True, slots=True)
class Grid:
    """n points a side of a cube around the origin, from -side / 2 to side / 2 (camera radii)."""

    n: int
    side: float

    @property
    def spacing(self) -> float:
        """Distance of neighbouring points."""
        return self.side / (self.n - 1)

    def points(self, index: Tensor) -> Tensor:
        """Integer indices [..., 3] in the order x, y, z -> points [..., 3]."""
        return index * self.spacing - self.side / 2


@dataclass(frozen=True, slots=True)
class Samples:
    """logit - level on a grid, [n, n, n] in the order x, y, z; and how many of these values are the
    field's own. The others lie where no surface is, and have the right sign."""

    values: Tensor
    evaluated: int


def sample_grid(field: Field, grid: Grid, level: float) -> Samples:
    """Values of the field of one image where {logit = level} can be, and signs elsewhere.

    All points of the coarsest grid are evaluated. A cell is halved along each axis where its
    corners differ in sign, where the slopes about it say that the surface may pass through it, and
    where the surface leaves a halved neighbour into it. For the last halving only the first and the
    third count: slopes would triple the cost. So the result is that of the full grid but for parts
    of the surface that touch no halved cell: a body or hole without connection to others, between
    all points of the grid of twice the spacing, or one that a field much steeper there than about
    it hides from the coarser grids.
    """
    halvings = max(0, round(math.log2((grid.n - 1) / COARSE)))
    stride = 2**halvings
    side = math.ceil((grid.n - 1) / stride) + 1
    ask = _Asked(field, grid, level)
    values = ask(_corners(side), stride).view(side, side, side)
    cells = _corners(side - 1)
    while stride > 1:
        near = _near(values, cells, last=stride == 2)
        stride //= 2
        values, cells = _halve(values, cells[near], ask, stride)
    n = grid.n
    return Samples(values[:n, :n, :n], ask.inside)


class _Asked:
    """Evaluates points of the grid and counts them, those inside the cube."""

    def __init__(self, field: Field, grid: Grid, level: float) -> None:
        self.field, self.grid, self.level, self.inside = field, grid, level, 0

    @torch.no_grad()
    def __call__(self, index: Tensor, stride: int) -> Tensor:
        """Values at integer positions [k, 3] of the grid with `stride` spacings between points."""
        self.inside += int((index * stride < self.grid.n).all(-1).sum())
        points = [self.grid.points(part * stride)[None] for part in index.split(CHUNK)]
        return (torch.cat([self.field.logits(at)[0] for at in points]) - self.level).float()


def _corners(reach: int) -> Tensor:
    """Integer offsets 0 ... reach - 1 along each axis, [reach^3, 3]."""
    line = torch.arange(reach)
    return torch.stack(torch.meshgrid(line, line, line, indexing="ij"), -1).view(-1, 3)


def _flat(index: Tensor, side: int) -> Tensor:
    """Places of integer positions [..., 3] in a flattened grid with `side` points a side."""
    return (index[..., 0] * side + index[..., 1]) * side + index[..., 2]


def _unflat(flat: Tensor, side: int) -> Tensor:
    return torch.stack([flat // side**2, flat // side % side, flat % side], -1)


def _near(values: Tensor, cells: Tensor, last: bool) -> Tensor:
    """Which of the cells [m, 3] to halve: those whose corners differ in sign and, unless it is the
    last time, those that a slope as steep as between corners about them could make differ."""
    side = len(values)
    corner = values.view(-1)[_flat(cells[:, None] + _corners(2), side)]
    mixed = (corner >= 0).any(1) & (corner < 0).any(1)
    if last:
        return mixed
    box = corner.view(-1, 2, 2, 2)
    steps = [box.diff(dim=axis).abs().amax((1, 2, 3)) for axis in (1, 2, 3)]
    steepest = torch.zeros((side - 1) ** 3)
    steepest[_flat(cells, side - 1)] = torch.stack(steps).norm(dim=0)
    about = F.max_pool3d(steepest.view(1, *(side - 1,) * 3), 3, 1, 1).view(-1)
    reach = SAFETY * math.sqrt(3) / 2 * about[_flat(cells, side - 1)]
    return mixed | (corner.abs().amin(1) <= reach)


def _halve(values: Tensor, cells: Tensor, ask: _Asked, stride: int) -> tuple[Tensor, Tensor]:
    """The grid of half the spacing, evaluated in the cells given, [m, 3], and wherever the surface
    leaves them; and the cells of the new grid that lie in those."""
    count, side = len(values) - 1, 2 * len(values) - 1
    fine = _spread(values)
    known = torch.zeros_like(fine, dtype=torch.bool)
    known[::2, ::2, ::2] = True
    flat, known = fine.view(-1), known.view(-1)
    halved = torch.zeros(count**3, dtype=torch.bool)
    while len(cells):
        halved[_flat(cells, count)] = True
        at = _flat(2 * cells[:, None] + _corners(3), side)
        wanted = at[~known[at]].unique()
        known[wanted] = True
        flat[wanted] = ask(_unflat(wanted, side), stride)
        cells = _entered(flat[at] >= 0, cells, count)
        cells = cells[~halved[_flat(cells, count)]].unique(dim=0)
    inside = 2 * _unflat(halved.nonzero()[:, 0], count)[:, None] + _corners(2)
    return fine, inside.view(-1, 3)


def _spread(values: Tensor) -> Tensor:
    """Each value also at the new points behind it: a cell that is not halved has one sign, and this
    is its."""
    for axis in range(3):
        twice = values.repeat_interleave(2, axis)
        values = twice.narrow(axis, 0, twice.shape[axis] - 1)
    return values.contiguous()


def _entered(positive: Tensor, cells: Tensor, count: int) -> Tensor:
    """Neighbours into which the surface leaves halved cells [m, 3], by the signs of their 27
    points [m, 27]."""
    box = positive.view(-1, 3, 3, 3)
    found = []
    for axis in range(3):
        for place, step in ((0, -1), (2, 1)):
            face = box.select(axis + 1, place).flatten(1)
            crossed = cells[face.any(1) & ~face.all(1)].clone()
            crossed[:, axis] += step
            found.append(crossed[(crossed[:, axis] >= 0) & (crossed[:, axis] < count)])
    return torch.cat(found)
