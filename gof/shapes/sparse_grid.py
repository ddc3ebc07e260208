"""The cells of a grid that a field's surface passes: found level by level, from coarse to fine, so
that the cost grows with the surface and not with the volume.

Lists of cells are numpy arrays: of many short steps on them two threads only wait for each other.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from gof.fields.field import Field
from gof.run.memory import in_parts

COARSE = 24  # fewest cells a side of the finest level that is evaluated everywhere
SAFETY = 1.1  # times the error of foretelling the level above: how far off it may be here
EDGE = 8  # points along an edge of a brick
BRICK = EDGE**3
CHUNK = 2**18  # points evaluated together

CORNERS = np.array(list(itertools.product((0, 1), repeat=3)))  # of a cell; number 4 x + 2 y + z
STEPS = np.concatenate([-np.eye(3, dtype=np.int64), np.eye(3, dtype=np.int64)])


@dataclass(frozen=True, slots=True)
class Grid:
    """n points a side of a cube around the origin, from -side / 2 to side / 2 (camera radii), on
    the device of the field that is asked for them."""

    n: int
    side: float
    device: str = "cpu"

    @property
    def spacing(self) -> float:
        """Distance of neighbouring points."""
        return self.side / (self.n - 1)

    def points(self, index: Tensor) -> Tensor:
        """Integer indices [..., 3] in the order x, y, z -> points [..., 3]."""
        return index.to(self.device) * self.spacing - self.side / 2


@dataclass(frozen=True, slots=True)
class Crossed:
    """Cells whose corners differ in sign.

    index: int64 [3, c], the lowest corner of each; pattern: uint8 [c], bit i says that corner i is
    >= 0, in the order of CORNERS; rows: int64 [8, c], where in `values` (float32) the corners are;
    evaluated: how often the field was asked for a point of the grid.
    """

    index: np.ndarray
    pattern: np.ndarray
    rows: np.ndarray
    values: np.ndarray
    evaluated: int


def crossed_cells(field: Field, grid: Grid, level: float) -> Crossed:
    """The cells that {logit = level} passes, with logit - level at their corners; field: one image.

    All around the grid counts as free: cells -1 and n - 1 close a surface that reaches the border,
    with values that put it within a tenth of a spacing from there.

    A level with 24 to 47 cells a side is evaluated everywhere. Each level foretells the next by
    trilinear interpolation, and of that the cells are evaluated whose foretold corners differ in
    sign, or would if they were as wrong as what was foretold for the cell they are part of (SAFETY
    times that); then all behind a face with both signs.

    So a closed piece of the surface is found whole once one of its cells is evaluated, and what can
    be missed are pieces that hold no point of the level evaluated everywhere. Of these, too, it
    finds what the values announce: balls, rods, plates and hollows, however thin, around which they
    fall off linearly with the distance for two cells of that level. It misses them where the
    field is flat or saturated around them, or follows another part.
    """
    halvings = max(0, math.floor(math.log2((grid.n + 1) / COARSE)) + 1)
    ask = _Asked(field, grid, level)
    stage = _Level(math.ceil((grid.n + 1) / 2**halvings))
    cells = np.indices((stage.side,) * 3).reshape(3, -1)
    stage.explore(cells, stage.rows(cells), ask, 2**halvings)
    stage.foretold[:] = np.inf  # errors without bound: the next level is evaluated everywhere
    while halvings:
        halvings -= 1
        stage = stage.finer(ask, 2**halvings)
    index, rows = stage.cells()
    pattern = _pattern(stage.values[rows])
    mixed = np.flatnonzero((pattern > 0) & (pattern < 255))
    crossed = Crossed(index[:, mixed] - 1, pattern[mixed], rows[:, mixed], stage.values, ask.inside)
    _close(crossed, grid.n)
    return crossed


def _close(cells: Crossed, n: int) -> None:
    """Make values outside of the grid so low that the surface lies within a tenth of a spacing."""
    border = np.flatnonzero(((cells.index < 0) | (cells.index == n - 1)).any(0))
    corners = cells.index[:, None, border] + CORNERS.T[..., None]
    outside = ((corners < 0) | (corners == n)).any(0)
    free = -10 * np.nanmax(np.abs(cells.values), initial=1e-6)
    cells.values[cells.rows[:, border][outside]] = free


class _Asked:
    """Evaluates points and counts those of the grid."""

    def __init__(self, field: Field, grid: Grid, level: float) -> None:
        self.field, self.grid, self.level, self.inside = field, grid, level, 0

    @torch.no_grad()
    def __call__(self, index: np.ndarray, stride: int) -> np.ndarray:
        """Values at positions [3, k] of a level, whose first point is -1 of the grid."""
        index = index * stride - 1
        inside = ((index >= 0) & (index < self.grid.n)).all(0)
        self.inside += int(inside.sum())
        points = self.grid.points(torch.from_numpy(index.T)).contiguous()
        parts = [in_parts(self._logits, part) for part in points.split(CHUNK)]
        values = (torch.cat(parts) - self.level).float().cpu().numpy()
        # Free outside, of a size that serves to foretell.
        return np.where(inside, values, -np.abs(values))

    def _logits(self, points: Tensor) -> Tensor:
        return self.field.logits(points[None])[0]


class _Level:
    """Values at the points of one level, in bricks of EDGE^3 points that are made where needed.

    A point's code counts bricks, then points within; its row is its code + the brick's shift.
    """

    def __init__(self, side: int) -> None:
        self.side = side  # in cells
        self.bricks = side // EDGE + 1
        axis = np.arange(side + 1)
        self.codes = [
            axis // EDGE * BRICK * self.bricks**i + axis % EDGE * EDGE**i for i in (2, 1, 0)
        ]
        self.held = np.empty(0, np.int64)  # number of each brick, in the order of rows
        self.shift = np.ones(self.bricks**3, np.int64)  # 1: there is no such brick
        self.values = np.empty(0, np.float32)  # NaN: not known
        self.foretold = np.empty(0, np.float32)  # NaN: not foretold
        self.seen = np.empty(0, np.bool_)  # cells, at the row of their lowest corner
        none = np.empty((3, 0), np.int64), np.empty((8, 0), np.int64)
        self.explored = [none]  # index [3, k] and rows of the corners [8, k]

    def cells(self) -> tuple[np.ndarray, np.ndarray]:
        """Index [3, c] and rows of the corners [8, c] of all cells seen."""
        index, rows = zip(*self.explored, strict=True)
        return np.concatenate(index, 1), np.concatenate(rows, 1)

    def explore(self, cells: np.ndarray, rows: np.ndarray, ask: _Asked, stride: int) -> None:
        """Evaluate the corners of cells [3, k] and of all that lie behind faces of both signs."""
        while cells.size:
            self.explored.append((cells, rows))
            self.seen[rows[0]] = True
            lacking = np.zeros_like(self.seen)
            lacking[rows] = True
            lacking &= np.isnan(self.values)
            new = np.flatnonzero(lacking)
            self.values[new] = ask(self._points(new), stride)
            cells = self._behind(cells, _pattern(self.values[rows]))
            rows = self.rows(cells)

    def _behind(self, cells: np.ndarray, pattern: np.ndarray) -> np.ndarray:
        """Neighbours not seen yet across faces of both signs."""
        found = []
        for step, mixed in zip(STEPS, _mixed_faces(), strict=True):
            beyond = cells[:, np.flatnonzero(mixed[pattern])] + step[:, None]
            beyond = beyond.clip(0, self.side - 1)  # at the border: the cell itself, seen
            x, y, z = (code[i] for code, i in zip(self.codes, beyond, strict=True))
            found.append(self._rows_of(x + y + z))
        rows = np.concatenate(found)
        return self._points(np.unique(rows[~self.seen[rows]]))

    def finer(self, ask: _Asked, stride: int) -> _Level:
        """The level with half the spacing, explored."""
        index, rows = self.cells()
        corners = self.values[rows]
        errors = np.nan_to_num(np.abs(corners - self.foretold[rows]), posinf=np.inf).max(0)
        near = _within_reach(corners, SAFETY * errors)
        index, corners, reach = index[:, near], corners[:, near], SAFETY * errors[near]
        cells, foretold, own = [], [], []
        for number, offset in enumerate(CORNERS):
            # Weight of each corner of a cell at each corner of its child.
            weight = (1 - np.abs(CORNERS - (CORNERS[:, None] + offset) / 2)).prod(-1)
            expected = weight.astype(np.float32) @ corners
            near = _within_reach(expected, reach)
            cells.append(2 * index[:, near] + offset[:, None])
            foretold.append(expected[:, near])
            own.append(np.full(len(near), number))
        below = _Level(2 * self.side)
        children, expected = np.concatenate(cells, 1), np.concatenate(foretold, 1)
        rows = below.rows(children)
        below.foretold[rows] = expected
        # A child's corner with the child's own number is its parent's and known.
        known = np.concatenate(own), np.arange(rows.shape[1])
        below.values[rows[known]] = expected[known]
        below.explore(children, rows, ask, stride)
        return below

    def rows(self, cells: np.ndarray) -> np.ndarray:
        """Rows of the corners [8, k] of cells [3, k]."""
        x, y, z = (code[np.stack([i, i + 1])] for code, i in zip(self.codes, cells, strict=True))
        return self._rows_of((x[:, None, None] + (y[:, None] + z)).reshape(8, -1))

    def _rows_of(self, codes: np.ndarray) -> np.ndarray:
        """Rows of points by code; makes the bricks they are in."""
        bricks = codes // BRICK
        needed = np.zeros_like(self.shift, np.bool_)
        needed[bricks] = True
        new = np.flatnonzero(needed & (self.shift == 1))
        if new.size:
            first = np.arange(len(self.held), len(self.held) + len(new))
            self.shift[new] = (first - new) * BRICK
            self.held = np.concatenate([self.held, new])
            unknown = np.full(len(new) * BRICK, np.nan, np.float32)
            self.values = np.concatenate([self.values, unknown])
            self.foretold = np.concatenate([self.foretold, unknown])
            self.seen = np.concatenate([self.seen, np.zeros(len(unknown), np.bool_)])
        return codes + self.shift[bricks]

    def _points(self, rows: np.ndarray) -> np.ndarray:
        """Indices [3, k] of the points at rows [k]."""
        brick, place = self.held[rows // BRICK], rows % BRICK
        high = [brick // self.bricks**i % self.bricks for i in (2, 1, 0)]
        low = [place // EDGE**i % EDGE for i in (2, 1, 0)]
        return np.stack(high) * EDGE + np.stack(low)


def _pattern(corners: np.ndarray) -> np.ndarray:
    """Signs of corners [8, k] as a number [k]; see Crossed."""
    return np.packbits(corners >= 0, axis=0, bitorder="little")[0]


def _within_reach(corners: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """Numbers of the cells whose corners [8, k] differ in sign or do so within `reach` [k]."""
    return np.flatnonzero((corners.max(0) + reach >= 0) & (corners.min(0) - reach < 0))


@cache
def _mixed_faces() -> np.ndarray:
    """Whether a face has both signs in each pattern, bool [6, 256]; faces in the order of STEPS."""
    positive = (np.arange(256) >> np.arange(8)[:, None] & 1).astype(np.bool_)
    faces = [positive[CORNERS[:, i] == side] for side in (0, 1) for i in range(3)]
    return np.stack([face.any(0) & ~face.all(0) for face in faces])
