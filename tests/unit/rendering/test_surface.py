import torch

from gof.fields.analytic import Ellipsoid, sphere
from gof.geometry.cameras import camera_rays
from gof.rendering.surface import first_crossing, normals, secant


def brute_force(t, values):
    for i in range(len(t) - 1):
        if values[i] < 0 <= values[i + 1]:
            return values[0] < 0, i
    return False, None


def test_first_crossing_against_a_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(1, 500, 6, generator=generator)
    t = torch.rand(1, 500, 6, generator=generator).sort(-1).values
    found = first_crossing(t, values)
    for ray in range(500):
        hit, index = brute_force(t[0, ray], values[0, ray])
        assert bool(found.hit[0, ray]) == bool(hit)
        if hit:
            assert found.t_free[0, ray] == t[0, ray, index]
            assert found.value_occupied[0, ray] == values[0, ray, index + 1]


def test_secant_converges_and_keeps_its_bracket() -> None:
    def value_at(t):
        return torch.exp(8 * t) - torch.exp(torch.tensor(8 * 0.7))

    t = torch.tensor([[[0.0, 1.0]]])
    crossing = first_crossing(t, value_at(t))
    error = [abs(float(secant(crossing, value_at, n)) - 0.7) for n in (0, 4, 60)]
    assert error[0] > error[1] > error[2]
    assert error[2] < 1e-3


def test_secant_survives_equal_values() -> None:
    t = torch.tensor([[[0.0, 1.0]]])
    crossing = first_crossing(t, torch.tensor([[[-1.0, -1.0]]]))
    root = secant(crossing, lambda t: torch.full_like(t, -1.0), 3)
    assert torch.isfinite(root).all() and not crossing.hit.any()


def test_one_sample_crosses_nothing() -> None:
    assert not first_crossing(torch.ones(1, 3, 1), torch.full((1, 3, 1), 2.0)).hit.any()


def test_normals_of_a_sphere_point_outward() -> None:
    rays = camera_rays(torch.zeros(1, 2), 5, 12.0)
    points = -rays.directions * 0.1
    torch.testing.assert_close(normals(sphere(0.1), points), -rays.directions)


def test_normals_have_second_derivatives() -> None:
    scale = torch.tensor(1.0, requires_grad=True)

    class Scaled:
        def logits(self, points):
            stretch = torch.stack([scale, scale * 0 + 1, scale])
            return Ellipsoid((0.1, 0.1, 0.1)).logits(points * stretch)

    n = normals(Scaled(), torch.tensor([[[0.06, 0.08, 0.02]]]), create_graph=True)
    (gradient,) = torch.autograd.grad(n[..., 0].sum(), scale)
    assert gradient.abs() > 0.1


def test_a_field_that_is_the_same_everywhere_has_no_normals() -> None:
    class Flat(Ellipsoid):
        def logits(self, points: torch.Tensor) -> torch.Tensor:
            return 0 * points.sum(-1)

    assert (normals(Flat((0.1, 0.1, 0.1)), torch.rand(1, 7, 3)) == 0).all()
