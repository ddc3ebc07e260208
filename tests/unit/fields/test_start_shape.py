import pytest
import torch
from torch import Tensor

from gof.fields.analytic import sphere
from gof.fields.field import Field
from gof.fields.settings import StartShape
from gof.fields.start_shape import Started
from gof.models.generator import Generator
from tests.unit.small_networks import networks

STRETCHED = StartShape(radius=0.08, stretch=(1.0, 1.5, 0.9), sharpness=70.0)


def started(field: Field, shape: StartShape = STRETCHED) -> Started:
    return Started(field, shape, torch.tensor(shape.stretch, dtype=torch.float64))


def random_points(seed: int = 0, kind: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    points = (torch.rand(2, 300, 3, generator=draw) - 0.5) * 0.24
    directions = torch.nn.functional.normalize(torch.randn(2, 300, 3, generator=draw), dim=-1)
    return points.to(kind), directions.to(kind)


def ellipsoid(points: Tensor) -> Tensor:
    """The formula point by point: 70 (0.08 - |p / stretch|)."""
    x, y, z = points.double().unbind(-1)
    return 70 * (0.08 - (x**2 + (y / 1.5) ** 2 + (z / 0.9) ** 2).sqrt())


@pytest.mark.parametrize("autocast", [False, True])
def test_an_ellipsoid_is_added_to_the_logits_of_any_field(autocast: bool) -> None:
    points, directions = random_points()
    below = sphere(0.05, 300.0)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        colours, logits = started(below).radiance(points, directions)
        same = started(below).logits(points)
    assert torch.equal(colours, below.radiance(points, directions)[0]), "colours stay"
    expected = below.logits(points).double() + ellipsoid(points)
    torch.testing.assert_close(logits.double(), expected, atol=1e-4, rtol=0)
    assert torch.equal(same, logits)


def test_beyond_its_surface_the_logit_falls_with_the_square_as_well() -> None:
    points, _ = random_points(kind=torch.float64)
    steep = STRETCHED.model_copy(update={"falloff": 5e3})
    fell = started(sphere(0.05, 300.0)).logits(points) - started(sphere(0.05, 300.0), steep).logits(
        points
    )
    beyond = (-ellipsoid(points) / 70).clamp(min=0)
    assert (beyond > 0).any() and (beyond == 0).any()
    torch.testing.assert_close(fell, 5e3 * beyond**2, atol=1e-9, rtol=0)


def test_points_in_double_precision_stay_so() -> None:
    points, _ = random_points(kind=torch.float64)
    logits = started(sphere(0.05, 300.0)).logits(points)
    expected = sphere(0.05, 300.0).logits(points) + ellipsoid(points)
    assert logits.dtype == torch.float64
    torch.testing.assert_close(logits, expected, atol=1e-12, rtol=0)


def test_gradients_pass_to_points_as_the_formula_says() -> None:
    points, _ = random_points(kind=torch.float64)
    points.requires_grad_()
    logits = started(sphere(0.05, 300.0)).logits(points)
    (mine,) = torch.autograd.grad(logits.sum(), points)
    expected = sphere(0.05, 300.0).logits(points) + ellipsoid(points)
    (theirs,) = torch.autograd.grad(expected.sum(), points)
    torch.testing.assert_close(mine, theirs, atol=1e-9, rtol=0)


def test_gradients_reach_the_weights_below_as_without_it() -> None:
    points, directions = random_points(1)
    z = torch.randn(2, 64, generator=torch.Generator().manual_seed(0))
    found = []
    for shape in ({"radius": 0.0}, {"radius": 0.05, "stretch": (1.0, 2.0, 1.0)}):
        generator = Generator(networks(layers=2, width=16, start=shape))
        generator.reset(0)
        field = generator.bind(generator.style(z))
        colours, logits = field.radiance(points, directions)
        (colours.sum() + logits.sum()).backward()
        found.append([parameter.grad for parameter in generator.parameters()])
    for bare, upon in zip(*found, strict=True):
        assert bare is not None and upon is not None and bare.abs().max() > 0
        torch.testing.assert_close(upon, bare, rtol=1e-4, atol=1e-5 * float(bare.abs().max()))


def test_radius_0_is_no_shape_at_all() -> None:
    points, directions = random_points()
    generator = Generator(networks(layers=2, width=16, start={"radius": 0.0, "sharpness": 1e4}))
    generator.reset(0)
    style = generator.style(torch.zeros(2, 64))
    bound, alone = generator.bind(style), generator.field.bind(style)
    assert not isinstance(bound, Started)
    assert torch.equal(bound.logits(points), alone.logits(points))
    for mine, theirs in zip(
        bound.radiance(points, directions), alone.radiance(points, directions), strict=True
    ):
        assert torch.equal(mine, theirs)


def test_a_generator_starts_as_its_start_shape() -> None:
    shape = {"radius": 0.085, "stretch": (1.0, 1.5, 0.9)}
    generator = Generator(networks(start=shape))
    generator.reset(0)
    z = torch.randn(2, 64, generator=torch.Generator().manual_seed(0))
    field, points = generator.bind(generator.style(z)), random_points()[0]
    logits, radius = field.logits(points), points.norm(dim=-1)
    assert (logits[radius < 0.05] > 0).all()
    assert (logits[radius > 0.15] < 0).all()
    up = torch.tensor([[[0.0, 0.11, 0.0], [0.11, 0.0, 0.0], [0.0, 0.0, 0.11]]])
    signs = field.logits(up.expand(2, 3, 3)).sign()
    assert (signs == torch.tensor([1, -1, -1])).all()


def test_it_is_no_part_of_the_weights() -> None:
    names = [
        set(Generator(networks(layers=1, width=4, start={"radius": r})).state_dict())
        for r in (0.0, 0.1)
    ]
    assert names[0] == names[1] and not any("stretch" in name for name in names[0])
