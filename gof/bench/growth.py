"""How cost grows with the size of the work, and a figure of it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure

from gof.bench.measure import Row, timed
from gof.bench.place import SIDE, SMALL, Place
from gof.bench.step import Step
from gof.experiment.model import Model
from gof.models.settings import DiscriminatorNetwork
from gof.rendering.render import render
from gof.report.figures import COLOURS, STYLE
from gof.shapes.marching import extract
from gof.shapes.sparse_grid import Grid
from gof.training.settings import Stage

ROUNDS = 3
LARGEST = 3  # sizes that a slope is fitted to: at small ones, what does not grow hides what does

Task = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Kind:
    """Work that grows: what a size counts, the sizes, the exponent that its cost should have, and
    the most it may (None: nothing is asked)."""

    counts: str
    sizes: tuple[int, ...]
    exponent: float
    at_most: float | None
    task: Callable[[Place, int], Task]


@dataclass(frozen=True, slots=True)
class Growth:
    """Seconds at growing sizes of one kind of work."""

    kind: str
    sizes: tuple[int, ...]
    seconds: tuple[float, ...]

    @property
    def slope(self) -> float:
        """Exponent of the cost over the largest sizes: least squares on logarithms."""
        x, y = np.log(self.sizes[-LARGEST:]), np.log(self.seconds[-LARGEST:])
        return float(np.polyfit(x, y, 1)[0])

    def row(self) -> Row:
        """The slope as a row of the table."""
        kind, slope = KINDS[self.kind], self.slope
        holds = None if kind.at_most is None else slope <= kind.at_most
        share = kind.exponent / slope
        name = f"growth-{self.kind}"
        return Row(name, slope, "exponent", kind.exponent, share, kind.at_most, holds)


def _logits(place: Place, layers: int, count: int) -> Task:
    field = place.field(SMALL.model_copy(update={"layers": layers}))
    return torch.no_grad()(partial(field.logits, place.points(count)))


def _image(place: Place, resolution: int) -> Task:
    return torch.no_grad()(partial(render, place.field(SMALL), *place.view(resolution)))


def _step(place: Place, batch: int) -> Task:
    stage = Stage(resolution=16, steps=1, batch=batch, micro_batch=batch)
    model = Model(integrator="occupancy", stages=(stage,))
    return Step.of(place, model, SMALL, DiscriminatorNetwork())


def _mesh(place: Place, n: int) -> Task:
    return partial(extract, place.cpu.field(SMALL), Grid(n, SIDE), 0.0)


KINDS: dict[str, Kind] = {
    "points": Kind(
        "points of a field",
        tuple(4**k for k in range(6, 11)),
        1.0,
        None,
        lambda place, count: _logits(place, SMALL.layers, count),
    ),
    "layers": Kind(
        "layers of a field, at 2^16 points",
        (2, 4, 8, 16),
        1.0,
        None,
        lambda place, layers: _logits(place, layers, 2**16),
    ),
    "resolution": Kind("pixels a side of an image", (32, 64, 128, 256), 2.0, None, _image),
    "batch": Kind("images of a training step, 16 px", (4, 8, 16, 32), 1.0, None, _step),
    "grid": Kind("points a side of a grid", (64, 128, 256, 512), 2.0, 2.3, _mesh),
}


def measure_growth(place: Place, kind: str) -> Growth:
    """Median seconds over `KINDS[kind].sizes`, of fields of the default size (4 layers of 64) but
    for the number of layers. Sizes take turns, so that noise hits all."""
    sizes = KINDS[kind].sizes
    tasks = [KINDS[kind].task(place, size) for size in sizes]
    timed(tasks[0])
    rounds = [[timed(task) for task in tasks] for _ in range(1 + ROUNDS)][1:]
    return Growth(kind, sizes, tuple(map(statistics.median, zip(*rounds, strict=True))))


def growth_figure(growths: Sequence[Growth]) -> Figure:
    """A panel for each kind of work: seconds over size, with the measured slope, beside the
    exponent that is expected."""
    with plt.rc_context(STYLE):
        count = len(growths)
        figure, panels = plt.subplots(1, count, figsize=(2.3 * count + 0.4, 2.7), squeeze=False)
        for axes, growth in zip(panels[0], growths, strict=True):
            kind, x = KINDS[growth.kind], np.array(growth.sizes)
            ideal = growth.seconds[-1] * (x / x[-1]) ** kind.exponent
            axes.loglog(x, ideal, color="0.7", ls="--", label=f"exponent {kind.exponent:g}")
            label = f"slope {growth.slope:.2f}"
            axes.loglog(x, growth.seconds, "o-", color=COLOURS[0], ms=3, label=label)
            axes.set_xscale("log", base=2)
            axes.set(title=growth.kind, xlabel=kind.counts)
            axes.legend(fontsize=7)
        panels[0][0].set_ylabel("seconds")
    return figure
