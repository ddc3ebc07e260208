"""Renders of cars with true depth, from CC BY models, by the cameras of CARLA."""

from __future__ import annotations

from gof.cars.settings import OFFERED, RenderedCars
from gof.data.source import Making, Source


def _make(making: Making) -> None:
    from gof.cars.render import render_data_set

    render_data_set(making)


SOURCE = Source("cars", RenderedCars, OFFERED, _make, assets=lambda _: ("cars",))
