"""On a GPU, or anywhere with Triton in its interpreter: TRITON_INTERPRET=1 in the environment."""

import importlib.util
import math
import os

import pytest
import torch

from gof.fields.film_siren import FilmSiren
from gof.fields.kernels import cpu as layers
from gof.fields.kernels import fused
from gof.fields.kernels.cpu import Film, OutputHeads
from gof.fields.kinds.film_siren import FilmSirenSettings

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cpu" if INTERPRETED or not torch.cuda.is_available() else "cuda"
runs = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None or not (INTERPRETED or DEVICE == "cuda"),
    reason="needs Triton, and a GPU or TRITON_INTERPRET=1",
)

# Relative errors (Frobenius norms). Operands of both precisions have 11 bits: each is off by 2^-12
# at most, and a layer passes the errors of those before it on at about their size, so that L layers
# are off by some sqrt(L) 2^-12 = 7e-4 at 8; gradients cross the layers twice. 3 to 4 times that is
# allowed. The interpreter multiplies float32 operands exactly: only sines are off, by 6e-7 at most.
ROUNDED = {"out": 3e-3, "gradient": 6e-3}
EXACT = {"out": 6e-6, "gradient": 6e-6}
TOLERANCE = {torch.float16: ROUNDED, torch.float32: EXACT if DEVICE == "cpu" else ROUNDED}

# (layers before the colour, width, batch, points, colour): tiles are 64 or 128 points, never full
CASES = [
    (2, 16, 2, 77, False),
    (3, 16, 3, 1, True),
    (3, 32, 2, 150, True),
    (4, 64, 1, 130, True),
    (5, 128, 2, 200, False),
    (3, 256, 2, 140, True),
    (2, 256, 1, 100, False),
]


def make(layers, width, batch, count, colour):
    """Points, directions, films and heads: phases of some tens at the first layer, and weights that
    pass signals on at their size, as frequencies of 30 make them."""
    generator = torch.Generator().manual_seed(layers * 1000 + width)

    def draw(*shape, bound=1.0):
        values = (torch.rand(shape, generator=generator) * 2 - 1) * bound
        return values.to(DEVICE)

    bound = 30 / 25 * math.sqrt(6 / width)
    films = [Film(draw(batch, 3, width, bound=10.0), draw(batch, 1, width, bound=30.0))]
    inputs = [width] * (layers - 1) + [width + 3] * colour
    films += [
        (draw(batch, n, width, bound=bound), draw(batch, 1, width, bound=3.0)) for n in inputs
    ]
    heads = OutputHeads(draw(1, width, bound=bound / 30), draw(3, width, bound=bound / 30))
    directions = torch.nn.functional.normalize(draw(batch, count, 3), dim=-1) if colour else None
    return draw(batch, count, 3), directions, films, heads


def reference(points, directions, films, heads):
    """sin(h W + b), layer by layer."""
    h = points
    for weight, bias in films if directions is None else films[:-1]:
        h = torch.sin(h @ weight + bias)
    read = h @ heads.occupancy.T
    if directions is None:
        return read
    weight, bias = films[-1]
    c = torch.sin(torch.cat([directions, h], -1) @ weight + bias)
    return torch.cat([c @ heads.colour.T, read], -1)


def result_and_gradients(function, arguments, given, dtype):
    """What a function returns, and the gradients of all weights for the gradient `given`."""
    points, directions, films, heads = arguments
    leaves = [x.to(dtype, copy=True).requires_grad_() for film in films for x in film]
    ends = [x.to(dtype, copy=True).requires_grad_() for x in (heads.occupancy, heads.colour)]
    pairs = [Film(*pair) for pair in zip(leaves[::2], leaves[1::2], strict=True)]
    directions = None if directions is None else directions.to(dtype)
    out = function(points.to(dtype), directions, pairs, OutputHeads(*ends))
    gradients = torch.autograd.grad(out, [*leaves, *ends], given.to(dtype), materialize_grads=True)
    return out, gradients


def relative(found, wanted):
    """Error against the size; against 1 where nothing is expected."""
    return float((found.double() - wanted).detach().norm() / (wanted.detach().norm() or 1))


@runs
@pytest.mark.parametrize("precision", [torch.float16, torch.float32])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_equals_the_formula(case, precision) -> None:
    arguments = make(*case)
    given = torch.randn(case[2], case[3], 4 if case[4] else 1, device=DEVICE) * 1e-6

    def kernel(*inputs):
        return fused.evaluate(*inputs, precision)

    wanted, wanted_gradients = result_and_gradients(reference, arguments, given, torch.float64)
    found, gradients = result_and_gradients(kernel, arguments, given, torch.float32)
    # A dozen numbers stray further than many: 3.1e-3 on an H200.
    few = 2 if case[2] * case[3] < 16 else 1
    assert relative(found, wanted) < few * TOLERANCE[precision]["out"]
    for gradient, expected in zip(gradients, wanted_gradients, strict=True):
        assert gradient.shape == expected.shape
        assert relative(gradient, expected) < TOLERANCE[precision]["gradient"]


@runs
def test_pieces_of_a_batch_add_up_and_repeat_exactly(monkeypatch) -> None:
    arguments = make(2, 32, 2, 300, True)
    given = torch.randn(2, 300, 4, device=DEVICE)
    whole = result_and_gradients(fused.evaluate, arguments, given, torch.float32)
    monkeypatch.setattr(fused, "ROOM", 260)
    pieces = result_and_gradients(fused.evaluate, arguments, given, torch.float32)
    again = result_and_gradients(fused.evaluate, arguments, given, torch.float32)
    assert torch.equal(pieces[0], whole[0])
    for one, other, repeated in zip(pieces[1], whole[1], again[1], strict=True):
        assert relative(one, other.double()) < 1e-5
        assert torch.equal(one, repeated)


@runs
@pytest.mark.parametrize("count", [0, 5])
def test_nothing_given_nothing_returned(count) -> None:
    points, directions, films, heads = make(2, 16, 2, 5, True)
    arguments = points[:, :count], directions[:, :count], films, heads
    given = torch.zeros(2, count, 4, device=DEVICE)
    out, gradients = result_and_gradients(fused.evaluate, arguments, given, torch.float32)
    assert out.shape == (2, count, 4)
    assert all(not gradient.any() for gradient in gradients)


@runs
def test_a_bound_field_is_the_same(monkeypatch) -> None:
    generator = torch.Generator().manual_seed(0)
    siren = FilmSiren(FilmSirenSettings(layers=3, width=32))
    siren.reset(generator)
    style = torch.randn(2, siren.style_size, generator=generator) * 0.2
    points = (torch.rand(2, 70, 3, generator=generator) - 0.5) * 0.24
    directions = torch.nn.functional.normalize(points, dim=-1)
    rgb, logits = siren.double().bind(style.double()).radiance(points.double(), directions.double())
    monkeypatch.setattr(fused, "available", lambda points, films: True)
    field = siren.float().to(DEVICE).bind(style.to(DEVICE))
    found = field.radiance(points.to(DEVICE), directions.to(DEVICE))
    assert (found[0].cpu() - rgb).abs().max() < 1e-3
    assert (found[1].cpu() - logits).abs().max() < 5e-3
    assert torch.allclose(field.logits(points.to(DEVICE)), found[1], atol=1e-5)


def test_available_only_where_it_serves() -> None:
    points, films = torch.zeros(1, 5, 3), [Film(torch.zeros(1, 3, 16), torch.zeros(1, 1, 16))] * 2
    assert not fused.available(points, films)  # on a CPU
    if DEVICE == "cuda" and importlib.util.find_spec("triton"):
        points = points.cuda()
        assert fused.available(points, films)
        assert not fused.available(points, films[:1])
        assert not fused.available(points.double(), films)
        assert not fused.available(points.clone().requires_grad_(), films)
        odd = Film(torch.zeros(1, 3, 24), torch.zeros(1, 1, 24))
        assert not fused.available(points, [odd, odd])


def test_a_kernel_that_fails_or_errs_is_not_used(monkeypatch, capsys) -> None:
    device = torch.device("cpu")

    def broken(*_):
        raise RuntimeError("out of shared memory")

    def wrong(points, directions, films, heads):
        return 1.1 * layers.evaluate(points, directions, films, heads)

    for kernel, reason in ((broken, "out of shared memory"), (wrong, "off by")):
        fused.proven.cache_clear()
        monkeypatch.setattr(fused, "evaluate", kernel)
        assert not fused.proven(device, 16)
        assert reason in "".join(capsys.readouterr())
    fused.proven.cache_clear()
    monkeypatch.setattr(fused, "evaluate", layers.evaluate)
    assert fused.proven(device, 16)
    fused.proven.cache_clear()
