import pytest

from gof.experiment.model import Model
from gof.models.settings import Networks

STAGES = [
    {"objective": "geometric", "resolution": 8, "steps": 5},
    {"resolution": 8, "steps": 7},
    {"resolution": 16, "steps": 11},
]
PLAIN = Model.model_validate({"integrator": "occupancy", "stages": STAGES[1:]})
CGOF = Model.model_validate(
    {
        "integrator": "occupancy",
        "stages": STAGES,
        "mapping": {"layers": 3, "width": 32},
        "field": {"width": 24},
        "start_shape": {"radius": 0.05},
        "conditions": {
            "mapping_width": 48,
            "guided_from": 2,
            "warping": {"weight": 3, "from_stage": 2},
        },
    }
)


def test_steps_taken_before_a_stage() -> None:
    assert [CGOF.first_step(stage) for stage in range(4)] == [0, 5, 12, 23]


def test_what_a_model_needs_of_a_data_set() -> None:
    assert PLAIN.needs == {"images"}
    assert CGOF.needs == {"images", "landmarks", "coefficients"}


def test_the_latent_of_a_conditional_model_decides_on_its_mapping_network() -> None:
    networks = CGOF.networks(77)
    assert type(networks) is Networks
    assert (networks.mapping.latent, networks.mapping.width, networks.mapping.layers) == (77, 48, 3)
    assert (networks.field, networks.start_shape) == (CGOF.field, CGOF.start_shape)
    assert CGOF.networks().mapping == CGOF.mapping
    assert PLAIN.networks(77).mapping == PLAIN.mapping


def test_a_model_up_to_a_stage_has_nothing_of_later_ones() -> None:
    first, second = CGOF.upto(0), CGOF.upto(1)
    assert [len(model.stages) for model in (first, second, CGOF.upto(2))] == [1, 2, 3]
    assert first.conditions is not None and CGOF.conditions is not None
    assert first.conditions.warping.weight == 0 and first.conditions.guided_from is None
    assert first.conditions.geometric == CGOF.conditions.geometric
    assert CGOF.upto(2) == CGOF and PLAIN.upto(1) == PLAIN
    assert PLAIN.upto(0).conditions is None


@pytest.mark.parametrize(
    ("micro", "group", "works"), [(4, 4, True), (3, 4, True), (8, 4, True), (6, 4, False)]
)
def test_a_micro_batch_is_groups_that_share_a_deviation(micro, group, works) -> None:
    stage = {"resolution": 8, "steps": 1, "batch": 24, "micro_batch": micro}
    values = {
        "integrator": "occupancy",
        "stages": [stage],
        "discriminator": {"stddev_group": group},
    }
    if works:
        assert Model.model_validate(values).stages[0].micro_batch == micro
    else:
        with pytest.raises(ValueError, match="must be a multiple of discriminator"):
            Model.model_validate(values)
