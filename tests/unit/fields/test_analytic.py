import torch

from gof.fields.analytic import Ellipsoid, sphere
from gof.rendering.surface import normals


def test_sphere_logit_is_scaled_signed_distance() -> None:
    points = torch.tensor([[[0.0, 0.0, 0.0], [0.2, 0.0, 0.0], [0.0, 0.1, 0.0]]])
    logits = sphere(0.1, sharpness=50).logits(points)
    torch.testing.assert_close(logits, torch.tensor([[5.0, -5.0, 0.0]]), atol=1e-5, rtol=0)


def test_ellipsoid_vanishes_on_its_surface_with_the_right_normal() -> None:
    radii = torch.tensor([0.1, 0.05, 0.08])
    directions = torch.nn.functional.normalize(
        torch.randn(1, 50, 3, generator=torch.Generator().manual_seed(0)), dim=-1
    )
    field = Ellipsoid((0.1, 0.05, 0.08))
    points = directions * radii
    assert field.logits(points).abs().max() < 1e-3
    expected = torch.nn.functional.normalize(points / radii**2, dim=-1)
    torch.testing.assert_close(normals(field, points), expected, atol=1e-4, rtol=0)
