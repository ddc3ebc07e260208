import pytest
import torch
from torch import nn

from gof.fields.kinds.film_siren import FilmSirenSettings
from gof.models.generator import Generator
from gof.models.settings import Networks
from tests.unit.small_networks import networks


def made(seed: int = 0, **settings) -> Generator:
    generator = Generator(networks(**settings))
    generator.reset(seed)
    return generator


def test_the_default_is_the_field_of_the_paper_upon_a_sphere() -> None:
    plain = Networks()
    assert plain == networks()
    assert isinstance(plain.field, FilmSirenSettings)
    assert plain.start_shape.radius > 0 and plain.start_shape.stretch == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("layers", [1, 3])
def test_the_mapping_network_has_the_configured_size(layers: int) -> None:
    generator = made(layers=2, width=8, latent=5, mapping={"layers": layers, "width": 7})
    linears = [part for part in generator.mapping if isinstance(part, nn.Linear)]
    widths = [5] + [7] * layers + [2 * 3 * 8]
    assert [(part.in_features, part.out_features) for part in linears] == [
        (widths[i], widths[i + 1]) for i in range(layers + 1)
    ]
    assert generator.latent == 5
    assert generator.style(torch.zeros(3, 5)).shape == (3, generator.field.style_size)


def test_a_seed_decides_on_all_weights() -> None:
    one, same, other = made(1), made(1), made(2)
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, same.state_dict()[name])
        if name.endswith("weight"):
            assert not torch.equal(tensor, other.state_dict()[name])


def test_the_start_shape_draws_nothing() -> None:
    bare, upon = made(start={"radius": 0.0}), made(start={"radius": 0.1})
    for name, tensor in bare.state_dict().items():
        assert torch.equal(tensor, upon.state_dict()[name])


def test_truncation_and_mean_style() -> None:
    generator = made(latent=4)
    assert not generator.mean_style.any()
    generator.estimate_mean_style(500)
    z = torch.randn(4000, 4, generator=torch.Generator().manual_seed(1))
    style = generator.style(z).detach()
    spread = float(style.std(0).max())
    assert (style.mean(0) - generator.mean_style).abs().max() < 0.2 * spread
    half = generator.truncate(style, 0.5)
    torch.testing.assert_close(half, (generator.mean_style + style) / 2)
