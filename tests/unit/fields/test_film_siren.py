import pytest
import torch

from gof.fields.film_siren import FREQUENCY_SCALE, FREQUENCY_SHIFT, FilmSiren
from gof.fields.kinds.film_siren import FilmSirenSettings


def unfolded(siren: FilmSiren, style, points, directions):
    """The paper's formula, sin(f * (W h + b) + p), layer by layer in float64."""
    network = siren.settings
    raw, phases = style.double().reshape(len(style), 2, -1, network.width).unbind(1)
    f = raw * FREQUENCY_SCALE + FREQUENCY_SHIFT

    def film(layer, h, i):
        linear = h @ layer.weight.double().T + layer.bias.double()
        return torch.sin(f[:, None, i] * linear + phases[:, None, i])

    h = points.double() * 2 / network.scene_side
    for i, layer in enumerate(siren.layers):
        h = film(layer, h, i)
    head = siren.occupancy
    logit = (h @ head.weight.double().T + head.bias.double()).squeeze(-1) * network.logit_scale
    colour = film(siren.colour_layer, torch.cat([directions.double(), h], -1), -1)
    rgb = torch.sigmoid(colour @ siren.colour.weight.double().T + siren.colour.bias.double())
    return rgb * 2 - 1, logit


def make(layers: int, width: int, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    siren = FilmSiren(FilmSirenSettings(layers=layers, width=width))
    siren.reset(generator)
    style = torch.randn(2, siren.style_size, generator=generator) * 0.2
    points = (torch.rand(2, 300, 3, generator=generator) - 0.5) * 0.24
    directions = torch.nn.functional.normalize(torch.randn(2, 300, 3, generator=generator), dim=-1)
    return siren, style, points, directions


@pytest.mark.parametrize(("layers", "width"), [(1, 8), (4, 64), (8, 32)])
def test_folded_equals_unfolded(layers: int, width: int) -> None:
    siren, style, points, directions = make(layers, width)
    expected_rgb, expected_logits = unfolded(siren, style, points, directions)
    rgb, logits = siren.bind(style).radiance(points, directions)
    torch.testing.assert_close(rgb.double(), expected_rgb, atol=2e-4, rtol=0)
    torch.testing.assert_close(logits.double(), expected_logits, atol=2e-3, rtol=0)
    torch.testing.assert_close(siren.bind(style).logits(points), logits, atol=1e-5, rtol=0)


def test_folded_gradient_equals_unfolded() -> None:
    siren, style, points, directions = make(3, 16)
    siren.double()
    style, directions = style.double().requires_grad_(), directions.double()
    at = points.double().requires_grad_()

    def gradients(rgb, logits):
        loss = (rgb * torch.arange(3.0)).sum() + (logits**2).sum()
        return torch.autograd.grad(loss, [style, at, *siren.parameters()])

    expected = gradients(*unfolded(siren, style, at, directions))
    folded = gradients(*siren.bind(style).radiance(at, directions))
    for mine, theirs in zip(folded, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-8, atol=1e-8 * float(theirs.abs().max()))


@pytest.mark.parametrize("autocast", [False, True])
def test_every_weight_receives_gradient(autocast: bool) -> None:
    siren, style, points, directions = make(4, 32)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        with torch.no_grad():  # the coarse pass comes first, as in rendering
            siren.bind(style).logits(points)
        rgb, logits = siren.bind(style).radiance(points, directions)
        (rgb.square().sum() + logits.square().sum()).backward()
    for name, parameter in siren.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


def test_the_global_generator_is_not_used() -> None:
    before = torch.get_rng_state()
    siren, style, points, _ = make(2, 8)
    after_init = torch.get_rng_state()
    siren.bind(style).logits(points)
    assert torch.equal(after_init, torch.get_rng_state()) or torch.equal(before, after_init)
