import pytest
import torch

from gof.data.manifest import load_manifest
from gof.experiment.config import Config
from gof.metrics import identity
from gof.metrics.context import Context

SETTINGS = identity.Identity(samples=6, yaws=(-0.3, 0.1, 0.4), resolution=4)


def looks(turning: float):
    """Images that hold random identities, which change by `turning` from side to side."""

    def look(seed: int) -> list[torch.Tensor]:
        own = torch.Generator().manual_seed(seed)
        heads = torch.randn(6, 3, 4, 4, generator=own)
        return [heads + turning * side for side in range(len(SETTINGS.yaws))]

    return {"mine": look}


def test_who_changes_with_the_view_has_a_larger_number(obedience) -> None:
    config = Config.parse({"tracking": {"enabled": False}}, "test")
    context = Context(config, load_manifest(obedience.data), "cpu")
    found = []
    for turning in (0.0, 0.1, 1.0):
        numbers = identity.scores(context, SETTINGS, lambda x: x.flatten(1), looks(turning))
        (row,) = numbers["rows"]
        assert (row["model"], row["metric"]) == ("mine", "identity_change")
        assert "6 heads from 3 sides" in row["protocol"] and "4 px" in row["protocol"]
        found.append(row["value"])
    # a step moves all 48 numbers alike: two sides lie 1 or 2 steps apart, heads about sqrt(2 * 48)
    assert found[0] == pytest.approx(0, abs=1e-3) and found[2] == pytest.approx(10 * found[1])
    assert found[2] == pytest.approx(48**0.5 * 4 / 3 / 96**0.5, rel=0.05)
