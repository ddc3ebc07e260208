import pytest
from pydantic import ValidationError

from gof.config.errors import ConfigError
from gof.experiment.config import Config
from gof.models.settings import DiscriminatorNetwork
from gof.training.settings import Stage


@pytest.mark.parametrize("resolution", [48, 6, 12, 100])
def test_resolutions_that_no_discriminator_halves_down_to_4_are_refused(resolution) -> None:
    values = {"integrator": "occupancy", "stages": [{"resolution": resolution, "steps": 1}]}
    said = rf"models\.a\.stages\.0\.resolution: .*must be 4, 8, 16.* got {resolution}$"
    with pytest.raises(ConfigError, match=said):
        Config.parse({"models": {"a": values}})


@pytest.mark.parametrize("resolution", [4, 8, 64, 1024])
def test_powers_of_two_are_taken(resolution) -> None:
    assert Stage(resolution=resolution, steps=1).resolution == resolution


def test_micro_batches_divide_batches() -> None:
    with pytest.raises(ValidationError, match=r"micro_batch \(6\) must divide batch \(16\)"):
        Stage(resolution=8, steps=1, batch=16, micro_batch=6)


@pytest.mark.parametrize(
    ("micro", "group", "taken"),
    [(6, 4, False), (8, 4, True), (3, 4, True), (4, 4, True), (5, 4, False), (6, 3, True)],
)
def test_micro_batches_fall_into_groups_of_one_deviation(micro, group, taken) -> None:
    assert DiscriminatorNetwork(stddev_group=group).takes(micro) == taken
    stage = {"resolution": 8, "steps": 1, "batch": micro, "micro_batch": micro}
    values = {
        "models": {"a": {"integrator": "occupancy", "stages": [stage]}},
        "common": {"discriminator": {"stddev_group": group}},
    }
    if taken:
        Config.parse(values)
        return
    said = rf"models\.a: stages\.0\.micro_batch \({micro}\) must be a multiple of .*\({group}\)"
    with pytest.raises(ConfigError, match=said):
        Config.parse(values)


def warm(conditions):
    stages = [
        {"resolution": 8, "steps": 1, "objective": "geometric", "batch": 6, "micro_batch": 6},
        {"resolution": 8, "steps": 1},
    ]
    values = {"integrator": "occupancy", "stages": stages}
    values |= {} if conditions is None else {"conditions": conditions}
    return Config.parse({"models": {"a": values}})


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        (None, "objective geometric needs conditions"),
        ({"geometric": {"weight": 0}, "colour": {"weight": 0}}, r"stages\.0: nothing to learn"),
        ({"geometric": {"from_stage": 1}, "colour": {"weight": 0}}, r"stages\.0: nothing to learn"),
    ],
)
def test_warm_starts_that_teach_nothing_are_refused(conditions, said) -> None:
    with pytest.raises(ConfigError, match=said):
        warm(conditions)


@pytest.mark.parametrize("zero", [None, "colour", "geometric"])
def test_warm_starts_that_teach_something_are_taken(zero) -> None:
    # No discriminator sees them, so their micro-batches need not fall into its groups.
    stages = warm({zero: {"weight": 0}} if zero else {}).models["a"].stages
    assert stages[0].micro_batch == 6


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"betas": [0.5, 1.0]}, r"models\.a\.training\.betas\.1"),
        ({"ema": 1.0}, r"models\.a\.training\.ema"),
    ],
)
def test_averages_that_never_move_are_refused(values, key) -> None:
    model = {"integrator": "occupancy", "stages": [{"resolution": 8, "steps": 1}]}
    with pytest.raises(ConfigError, match=key):
        Config.parse({"models": {"a": {**model, "training": values}}})


def test_a_crossing_needs_two_samples() -> None:
    values = {"integrator": "occupancy", "stages": [{"resolution": 8, "steps": 1}]}
    with pytest.raises(ConfigError, match=r"models\.a\.sampling\.coarse"):
        Config.parse({"models": {"a": values | {"sampling": {"coarse": 1}}}})
