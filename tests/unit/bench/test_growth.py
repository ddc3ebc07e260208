from dataclasses import replace

import pytest
import torch

from gof.bench import growth
from gof.bench.growth import KINDS, Growth, growth_figure, measure_growth
from gof.bench.place import Place
from gof.experiment.config import Config


def test_the_slope_is_that_of_the_largest_sizes() -> None:
    """A constant, which hides how small work grows, counts only at the first size."""
    sizes = (64, 128, 256, 512)
    law = Growth("grid", sizes, (50.0, *(1e-4 * n**2 for n in sizes[1:])))
    assert law.slope == pytest.approx(2)
    row = law.row()
    assert (row.row, row.unit, row.ceiling, row.target) == ("growth-grid", "exponent", 2.0, 2.3)
    assert row.fraction == pytest.approx(1) and row.holds is True
    volume = Growth("grid", sizes, tuple(1e-6 * n**3 for n in sizes))
    assert volume.slope == pytest.approx(3) and volume.row().holds is False
    assert Growth("points", (1, 2, 4), (1.0, 2.0, 4.0)).row().holds is None


def test_sizes_take_turns_and_the_first_round_warms_up(monkeypatch) -> None:
    order = []

    def task(_, size):
        return lambda: order.append(size)

    def timed(work):
        work()
        turn = (len(order) - 2) // 3  # -1 is a first call alone, 0 the round that warms up
        return order[-1] * 10.0**turn

    monkeypatch.setitem(KINDS, "points", replace(KINDS["points"], sizes=(1, 2, 4), task=task))
    monkeypatch.setattr(growth, "timed", timed)
    found = measure_growth(None, "points")
    assert order == [1, *(1, 2, 4) * (1 + growth.ROUNDS)]
    assert found.seconds == (100, 200, 400) and found.slope == pytest.approx(1)


SMALL = {"points": 64, "layers": 1, "resolution": 8, "batch": 2, "grid": 16}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_work_works(kind) -> None:
    place = Place(Config(), None, None, torch.device("cpu"))
    KINDS[kind].task(place, SMALL[kind])()


def test_the_figure_has_a_panel_for_each_kind_with_its_slope() -> None:
    found = [Growth(kind, (2, 4, 8), (1.0, 2.0, 4.0)) for kind in KINDS]
    panels = growth_figure(found).axes
    assert [panel.get_title() for panel in panels] == list(KINDS)
    for panel in panels:
        labels = [text.get_text() for text in panel.get_legend().get_texts()]
        assert labels[1] == "slope 1.00" and labels[0].startswith("exponent ")
        assert panel.get_xscale() == panel.get_yscale() == "log"
