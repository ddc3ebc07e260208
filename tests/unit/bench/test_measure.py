import math
from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from gof.bench import measure
from gof.bench.measure import (
    Products,
    Timing,
    beside,
    colour_operations,
    least_row,
    logit_operations,
    peak_mib,
    rate_row,
)
from gof.fields.kinds.film_siren import FilmSirenSettings


def test_a_rate_is_held_against_a_share_of_its_ceiling() -> None:
    row = rate_row("x", 6e9, Timing(seconds=2.0, gauge=4e9), 0.75)
    assert (row.measured, row.unit, row.ceiling, row.fraction) == (3.0, "GFLOP/s", 4.0, 0.75)
    assert row.holds is True
    assert rate_row("x", 5.9e9, Timing(2.0, 4e9), 0.75).holds is False
    keys = ["row", "measured", "unit", "ceiling", "fraction", "target", "holds"]
    assert list(row.plain()) == keys


@pytest.mark.parametrize(("target", "holds"), [(2.0, True), (1.9, False), (None, None)])
def test_a_cost_is_held_against_the_most_it_may_be(target, holds) -> None:
    row = least_row("x", 2.0, "s", 0.5, target)
    assert (row.fraction, row.target, row.holds) == (0.25, target, holds)
    assert least_row("x", 2.0, "s", None, target).fraction is None


@pytest.mark.parametrize(("layers", "width"), [(1, 5), (4, 64), (8, 256)])
def test_operations_are_those_of_the_layers(layers, width) -> None:
    """Counted by torch in plain layers of the same sizes."""
    sizes = [3] + [width] * layers
    pairs = pairwise(sizes)
    trunk = nn.Sequential(*(nn.Linear(a, b) for a, b in pairs))
    occupancy = nn.Linear(width, 1)
    colour = nn.Sequential(nn.Linear(width + 3, width), nn.Linear(width, 3))
    points, network = torch.zeros(7, 3), FilmSirenSettings(layers=layers, width=width)
    with FlopCounterMode(display=False) as counted:
        features = trunk(points)
        occupancy(features)
        assert counted.get_total_flops() == 7 * logit_operations(network)
        colour(torch.cat([points, features], -1))
    assert counted.get_total_flops() == 7 * colour_operations(network)


@pytest.mark.parametrize(("long", "runs"), [(math.inf, 5), (0.0, 3)])
def test_gauge_and_work_take_turns_after_one_run_to_warm_up(long, runs, monkeypatch) -> None:
    monkeypatch.setattr(measure, "LONG_S", long)
    done, seconds = [], iter([9.0, 5.0, 1.0, 3.0, 2.0, 4.0])

    def timed(work):
        work()
        return next(seconds)

    def gauge() -> float:
        done.append("gauge")
        return float(len(done))

    monkeypatch.setattr(measure, "timed", timed)
    timing = beside(gauge, lambda: done.append("work"))
    assert done == ["work"] + ["gauge", "work"] * runs
    # Medians of 5, 1, 3 (, 2, 4), the warm-up's 9 left out; and of 2, 4, 6 (, 8, 10).
    assert timing == Timing(3.0, 6.0 if runs == 5 else 4.0)


def test_the_rate_is_that_of_the_products(monkeypatch) -> None:
    """A clock that counts the products instead."""
    monkeypatch.setattr(measure, "TRIAL", 1e6)
    products = Products(8, 16, torch.device("cpu"))
    assert products.rows in measure.ROWS
    calls = []

    def timed(work):
        with FlopCounterMode(display=False) as counted:
            work()
        calls.append(counted.get_total_flops())
        return 2.0

    monkeypatch.setattr(measure, "timed", timed)
    products._operations = 1e6
    assert products.rate() == calls[0] / 2
    assert 1e6 <= calls[0] < 1e6 + 2 * 8 * 16 * products.rows


def test_peak_memory_is_that_of_the_call() -> None:
    """Small tensors, whose memory stays with the process when they are freed, twice."""

    def work() -> None:
        held = [torch.ones(2**15) for _ in range(512)]
        assert len(held) == 512

    for _ in range(2):
        found = peak_mib(work)
        if found is None:
            pytest.skip("this system does not tell a process's peak memory")
        whole, grown = found
        assert 60 < grown < 80 < whole
