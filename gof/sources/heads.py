"""Renders of random heads from a CC0 asset, with all ground truth: the default data set."""

from __future__ import annotations

from gof.data.settings import OFFERS
from gof.data.source import Making, Source
from gof.heads.settings import RenderedHeads


def _make(making: Making) -> None:
    from gof.heads.render import render_data_set

    render_data_set(making)


SOURCE = Source("heads", RenderedHeads, OFFERS, _make, {"head_model": "model/head_model.npz"})
