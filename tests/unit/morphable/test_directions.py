import pytest
import torch

from gof.morphable.coefficients import Statistics
from gof.morphable.directions import direction, moved, named_direction, principal_directions
from gof.run.files import InputError


@pytest.fixture
def meshes(obedience):
    return obedience.meshes()


@pytest.mark.parametrize("block", ["identity", "expression", "albedo", "light"])
def test_principal_directions_are_orthonormal_and_ordered_by_what_they_change(meshes, block):
    rows = principal_directions(meshes.head, meshes.statistics, block)
    torch.testing.assert_close(rows @ rows.mT, torch.eye(len(rows)), atol=1e-4, rtol=0)
    map_ = meshes.statistics.factor[block]
    if block in ("identity", "expression"):
        map_ = getattr(meshes.head, block).flatten(1).mT @ map_
    effect = (map_ @ rows.mT).norm(dim=0)
    assert (effect[:-1] >= effect[1:] - 1e-5).all()
    torch.testing.assert_close(effect[0], torch.linalg.matrix_norm(map_, 2), rtol=1e-4, atol=0)


def test_a_name_raises_its_coefficient_by_one_standard_deviation(meshes):
    factor = meshes.statistics.factor["expression"]
    spread = (factor @ factor.mT).diag().sqrt()
    for number in (0, 1):
        own = named_direction(meshes.statistics, "expression", number)
        assert float(own.norm()) == pytest.approx(1)
        assert float((factor @ own)[number]) == pytest.approx(float(spread[number]), rel=1e-5)
    whole = direction(meshes.layout, "expression", "browInnerUp", meshes.statistics)
    place = meshes.layout.place("expression")
    torch.testing.assert_close(whole[place], named_direction(meshes.statistics, "expression", 1))
    assert float(whole.norm()) == pytest.approx(1)


def test_a_number_is_one_of_the_described_directions(meshes, tmp_path):
    principal = principal_directions(meshes.head, meshes.statistics, "identity")
    meshes.statistics.save(tmp_path / "statistics.npz")
    known = Statistics.load(tmp_path / "statistics.npz")
    assert known.names == {
        "expression": meshes.head.expression_names,
        "albedo": meshes.head.palette.names,
    }
    along = direction(meshes.layout, "shape", "1", known)
    torch.testing.assert_close(along[meshes.layout.place("identity")], principal[1])


def test_without_statistics_a_number_is_an_entry(meshes):
    layout = meshes.layout
    for factor, block in (("shape", "identity"), ("free_texture", "free_texture")):
        along = direction(layout, factor, "0", None)
        assert along.nonzero().tolist() == [[layout.place(block).start]]


def test_moved_sets_one_coordinate_and_holds_all_others(meshes):
    along = direction(meshes.layout, "shape", "1", meshes.statistics)
    z = torch.randn(5, meshes.layout.total, generator=torch.Generator().manual_seed(0))
    values = torch.linspace(-2, 2, 5)
    after = moved(z, along, values)
    torch.testing.assert_close(after @ along, values)
    rest = torch.eye(len(along)) - torch.outer(along, along)
    torch.testing.assert_close(after @ rest, z @ rest)


@pytest.mark.parametrize(
    ("factor", "component", "text"),
    [
        ("hat", "0", "'hat' is none"),
        ("shape", "3", "3 is beyond the 3 of shape"),
        ("shape", "jawOpen", "identity has no 'jawOpen': its components are numbers"),
        ("expression", "jawopen", "did you mean jawOpen"),
    ],
)
def test_what_does_not_exist_is_named(meshes, factor, component, text):
    with pytest.raises(InputError, match=text):
        direction(meshes.layout, factor, component, meshes.statistics)


def test_a_name_needs_statistics(meshes):
    with pytest.raises(InputError, match="a name needs --statistics"):
        direction(meshes.layout, "expression", "jawOpen", None)
