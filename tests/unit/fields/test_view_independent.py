import pytest
import torch

from gof.models.generator import Generator
from gof.models.settings import Networks
from tests.unit.fields.test_start_shape import random_points


def bound(**field):
    settings = {"field": field, "mapping": {"latent": 8}, "start_shape": {"radius": 0.08}}
    generator = Generator(Networks.model_validate(settings))
    generator.reset(0)
    z = torch.randn(2, 8, generator=torch.Generator().manual_seed(0))
    return generator.bind(generator.style(z))


@pytest.mark.parametrize(
    "field",
    [{"layers": 2, "width": 16}, {"name": "triplane", "resolution": 8, "channels": 8}],
    ids=["film_siren", "triplane"],
)
def test_colours_that_are_no_views_are_those_of_no_direction(field) -> None:
    points, directions = random_points()
    plain, same = bound(**field), bound(**field, view_dependent=False)
    colours, logits = same.radiance(points, directions)
    assert torch.equal(colours, same.radiance(points, -directions)[0])
    assert torch.equal(colours, plain.radiance(points, torch.zeros_like(directions))[0])
    assert not torch.equal(colours, plain.radiance(points, directions)[0])
    assert torch.equal(logits, plain.radiance(points, directions)[1])
    assert torch.equal(same.logits(points), plain.logits(points))
    assert getattr(same, "difference", None) == getattr(plain, "difference", None)
