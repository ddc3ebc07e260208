"""Spherical-harmonics light against numerical integration over the sphere."""

import math

import torch

from gof.geometry.lighting import harmonics, lamp, random_light, shade
from gof.run.rng import streams


def quadrature(rows: int = 120, columns: int = 240):
    """Directions [n, 3] and solid angles [n] (Gauss-Legendre in height, even in azimuth)."""
    import numpy as np

    height, weight = (torch.from_numpy(a) for a in np.polynomial.legendre.leggauss(rows))
    turn = (torch.arange(columns).double() + 0.5) / columns * 2 * math.pi
    h, t = torch.meshgrid(height, turn, indexing="ij")
    flat = (1 - h * h).sqrt()
    directions = torch.stack([flat * t.cos(), flat * t.sin(), h], -1).reshape(-1, 3)
    return directions, (weight[:, None] * 2 * math.pi / columns).expand_as(h).reshape(-1)


def unit(count: int) -> torch.Tensor:
    points = torch.randn(count, 3, generator=torch.Generator().manual_seed(0)).double()
    return torch.nn.functional.normalize(points, dim=-1)


def test_harmonics_are_orthonormal():
    directions, weights = quadrature()
    basis = harmonics(directions)
    gram = (basis * weights[:, None]).T @ basis
    torch.testing.assert_close(gram, torch.eye(9).double(), atol=1e-9, rtol=0)


def test_shade_is_the_cosine_integral_of_the_radiance():
    """Lambert: 1 / pi times the integral of radiance times max(0, n . w)."""
    light = random_light(streams(0, "light", range(4))).double()
    directions, weights = quadrature()
    radiance = harmonics(directions) @ light  # [4, directions, 3]
    normals = unit(20)
    cosine = (normals @ directions.T).clamp(min=0) * weights
    exact = (cosine @ radiance) / math.pi
    found = shade(normals.expand(4, -1, -1), light)
    torch.testing.assert_close(found, exact.clamp(min=0), atol=2e-4, rtol=0)


def test_even_light_is_sent_back_unchanged():
    light = torch.zeros(1, 9, 3)
    light[:, 0] = 0.7 * 2 * math.sqrt(math.pi)  # radiance 0.7 everywhere
    found = shade(unit(5).float()[None], light)
    torch.testing.assert_close(found, torch.full((1, 5, 3), 0.7))


def test_surface_that_faces_a_lamp_sends_back_its_colour():
    direction, colour = unit(3).float(), torch.tensor([[0.2, 0.5, 0.9]]).expand(3, -1)
    found = shade(direction[:, None], lamp(direction, colour))[:, 0]
    torch.testing.assert_close(found, colour * 17 / 16)
    away = shade(-direction[:, None], lamp(direction, colour))[:, 0]
    assert (away < 0.1 * colour).all()


def test_random_lights_are_reproducible_natural_and_independent_of_the_batch():
    both = random_light(streams(3, "light", [5, 6]))
    torch.testing.assert_close(random_light(streams(3, "light", [6]))[0], both[1])
    many = random_light(streams(1, "light", range(200)))
    front = torch.tensor([0.0, 0.0, 1.0]).expand(200, 1, 3)
    facing = shade(front, many)[:, 0]
    assert (facing > 0.25).all() and (facing < 1.7).all()
    tint = facing / facing.mean(-1, keepdim=True)
    assert (tint - 1).abs().max() < 0.15
    assert not torch.allclose(both[0], both[1])
