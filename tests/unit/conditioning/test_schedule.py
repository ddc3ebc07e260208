import pytest

from gof.conditioning.schedule import is_guided, term_weights
from gof.conditioning.settings import Conditions
from gof.losses.settings import Term


def test_terms_begin_with_their_stage_and_grow() -> None:
    conditions = Conditions(
        geometric=Term(weight=2, from_stage=0),
        warping=Term(weight=4, from_stage=1, ramp_steps=4),
        reconstruction=Term(),
    )
    assert "warping" not in term_weights(conditions, 0, 3)
    assert term_weights(conditions, 0, 3)["geometric"] == 2
    assert [term_weights(conditions, 1, k)["warping"] for k in (0, 1, 3, 9)] == [1, 2, 4, 4]
    assert term_weights(conditions, 2, 0)["warping"] == 4
    assert "reconstruction" not in term_weights(conditions, 2, 0)


@pytest.mark.parametrize(
    ("start", "expected"), [(0, [True, True, True]), (1, [False, True, True]), (None, [False] * 3)]
)
def test_samples_lie_around_the_mesh_from_a_stage_on(start, expected) -> None:
    conditions = Conditions(guided_from=start)
    assert [is_guided(conditions, stage) for stage in range(3)] == expected
