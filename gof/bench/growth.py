"""How cost grows with the size of the work, and a figure of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure

from gof.bench.measure import median
from gof.bench.rows import SMALL, Place
from gof.bench.step import Step
from gof.cameras import camera_rays
from gof.config import DiscriminatorNetwork, FieldNetwork, Model, Stage
from gof.meshing import extract
from gof.rendering.render import render
from gof.report.figures import COLOURS, STYLE
from gof.sparse_grid import Grid

RUNS = 3


@dataclass(frozen=True, slots=True)
class Growth:
    """Seconds at growing sizes of one kind of work, and the slope between the logarithms."""

    work: str
    sizes: tuple[int, ...]
    seconds: tuple[float, ...]

    @property
    def slope(self) -> float:
        """Least squares; 1 is proportional."""
        return float(np.polyfit(np.log(self.sizes), np.log(self.seconds), 1)[0])


def _measured(
    work: str, sizes: Sequence[int], task_of: Callable[[int], Callable[[], object]]
) -> Growth:
    return Growth(work, tuple(sizes), tuple(median(task_of(size), RUNS) for size in sizes))


def measure_growth(place: Place) -> list[Growth]:
    """Points, layers, pixels, images of a training step, and points a side of a mesh's grid, for
    fields of the default size (4 layers of 64) but for the number of layers."""
    field = place.field(SMALL)

    def points(count: int) -> Callable[[], object]:
        return torch.no_grad()(partial(field.logits, place.points(count)))

    def layers(count: int) -> Callable[[], object]:
        deep = place.field(FieldNetwork(layers=count, width=64))
        return torch.no_grad()(partial(deep.logits, place.points(2**16)))

    def pixels(resolution: int) -> Callable[[], object]:
        _, settings = place.view(resolution)
        poses = torch.zeros(1, 2, device=place.device)
        rays = camera_rays(poses, resolution, place.config.camera.fov_deg)
        return torch.no_grad()(partial(render, field, rays, settings))

    def images(batch: int) -> Callable[[], object]:
        stage = Stage(resolution=16, steps=1, batch=batch, micro_batch=batch)
        model = Model(integrator="occupancy", stages=(stage,))
        return Step.of(place.config, model, SMALL, place.device, DiscriminatorNetwork())

    def grid(n: int) -> Callable[[], object]:
        return partial(extract, field, Grid(n, 0.24), 0.0)

    return [
        _measured("logits: points", [2**k for k in (14, 16, 18, 20)], points),
        _measured("logits: layers", [2, 4, 8, 16], layers),
        _measured("image: pixels a side", [32, 64, 128, 256], pixels),
        _measured("training step: images", [4, 8, 16, 32], images),
        _measured("mesh: points a side", [64, 128, 256, 512], grid),
    ]


def growth_figure(growths: Sequence[Growth]) -> Figure:
    """Time over size, both relative to the smallest, with measured slopes."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(5.2, 3.6))
        for growth, colour in zip(growths, COLOURS, strict=False):
            x = np.array(growth.sizes) / growth.sizes[0]
            y = np.array(growth.seconds) / growth.seconds[0]
            label = f"{growth.work} ({growth.sizes[0]} to {growth.sizes[-1]}): {growth.slope:.2f}"
            axes.loglog(x, y, "o-", color=colour, label=label, ms=3)
        axes.set_xlabel("size, smallest = 1")
        axes.set_ylabel("time, smallest = 1")
        axes.set_title("Cost as work grows, with slopes")
        axes.legend(fontsize=7)
    return figure
