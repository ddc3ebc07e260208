"""The layers against the plain formula in float64, values and gradients. Tolerance: rounding, a few
thousand sums of numbers of order one in float64 (1e-11) or, for the fast path as it runs, float32
(values 2e-4, gradients a thousandth of the largest: the arguments of sines reach tens)."""

import pytest
import torch

from gof.fields.kernels import cpu as layers
from gof.fields.kernels.cpu import Film, OutputHeads, evaluate


def formula(points, directions, films, heads):
    h = points
    for weight, bias in films if directions is None else films[:-1]:
        h = torch.sin(h @ weight + bias)
    read = h @ heads.occupancy.T
    if directions is None:
        return read
    weight, bias = films[-1]
    c = torch.sin(torch.cat([directions, h], -1) @ weight + bias)
    return torch.cat([c @ heads.colour.T, read], -1)


def problem(depth: int, width: int, count: int, coloured: bool, seed: int = 0):
    """Points, directions, films, heads in float64 with arguments of sines of order ten."""
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=draw, dtype=torch.float64)

    def film(inputs):
        scale = 10 if inputs == 3 else 1.7 / inputs**0.5
        return Film(scale * normal(3, inputs, width), 5 * normal(3, 1, width))

    films = [film(3 if k == 0 else width) for k in range(depth)] + [film(width + 3)] * coloured
    heads = OutputHeads(normal(1, width) / width**0.5, normal(3, width) / width**0.5)
    points = torch.rand(3, count, 3, generator=draw, dtype=torch.float64) * 2 - 1
    directions = torch.nn.functional.normalize(normal(3, count, 3), dim=-1) if coloured else None
    return points, directions, films, heads


def leaves(films, heads):
    flat = [part for film in films for part in film]
    return [*flat, heads.occupancy, heads.colour]


def cast(value, dtype):
    if value is None:
        return None
    if isinstance(value, torch.Tensor):
        return value.detach().to(dtype).requires_grad_(value.requires_grad)
    parts = [cast(part, dtype) for part in value]
    return parts if isinstance(value, list) else type(value)(*parts)


SHAPES = [(1, 8, 5), (2, 8, 20), (2, 16, 64), (4, 64, 300), (8, 32, 129)]


@pytest.mark.parametrize("coloured", [False, True])
@pytest.mark.parametrize(("depth", "width", "count"), SHAPES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_blockwise_equals_the_formula(depth, width, count, coloured, dtype, monkeypatch) -> None:
    monkeypatch.setattr(
        layers, "BLOCK", 50 * width
    )  # blocks of images or points, the last not full
    points, directions, films, heads = problem(depth, width, count, coloured, seed=depth)
    for leaf in leaves(films, heads):
        leaf.requires_grad_()
    wanted = formula(points, directions, films, heads)
    fast = [cast(x, dtype) for x in (points, directions, films, heads)]
    found = evaluate(*fast)
    exact = dtype == torch.float64
    torch.testing.assert_close(found.double(), wanted, rtol=0, atol=1e-11 if exact else 2e-4)
    towards = torch.randn(
        wanted.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )
    used = len(leaves(films, heads)) - (not coloured)  # no colour head without directions
    expected = torch.autograd.grad((wanted * towards).sum(), leaves(films, heads)[:used])
    got = torch.autograd.grad((found * towards.to(dtype)).sum(), leaves(*fast[2:])[:used])
    for mine, theirs in zip(got, expected, strict=True):
        limit = (1e-11 if exact else 1e-3) * float(theirs.abs().max())
        torch.testing.assert_close(mine.double(), theirs, rtol=0, atol=limit)


def test_threads_share_the_blocks_and_repeat_themselves(monkeypatch) -> None:
    monkeypatch.setattr(layers, "BLOCK", 30 * 16)
    points, directions, films, heads = problem(3, 16, 100, True)
    for leaf in leaves(films, heads):
        leaf.requires_grad_()
    before = torch.get_num_threads()

    def found(threads: int):
        torch.set_num_threads(threads)
        read = evaluate(points, directions, films, heads)
        return read, *torch.autograd.grad(read.square().sum(), leaves(films, heads))

    try:
        alone, shared, again = found(1), found(3), found(3)
    finally:
        torch.set_num_threads(before)
    for one, two, three in zip(alone, shared, again, strict=True):
        torch.testing.assert_close(two, one, rtol=0, atol=1e-11 * float(one.detach().abs().max()))
        assert torch.equal(two, three)


def test_gradients_of_points_and_of_those(monkeypatch) -> None:
    """Normals and their smoothness ask for a gradient of a gradient."""
    monkeypatch.setattr(layers, "BLOCK", 64)
    points, _, films, heads = problem(3, 16, 21, False)
    weight = films[1].weight.requires_grad_()
    points.requires_grad_()

    def second(read):
        (gradient,) = torch.autograd.grad(read.sum(), points, create_graph=True)
        return gradient, torch.autograd.grad(gradient.square().sum(), weight)[0]

    mine, theirs = (
        second(evaluate(points, None, films, heads)),
        second(formula(points, None, films, heads)),
    )
    for one, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(
            one, other, rtol=1e-9, atol=1e-9 * float(other.detach().abs().max())
        )


@pytest.mark.parametrize("coloured", [False, True])
def test_no_points_no_values(coloured) -> None:
    points, directions, films, heads = problem(2, 8, 0, coloured)
    films[0].weight.requires_grad_()
    read = evaluate(points, directions, films, heads)
    assert read.shape == (3, 0, 4 if coloured else 1)
    read.sum().backward()
    assert not films[0].weight.grad.any()


def test_memory_does_not_grow_with_layers_times_points() -> None:
    """What autograd keeps: the inputs, and nothing of the layers."""
    kept = []

    def pack(tensor):
        kept.append(tensor.untyped_storage().nbytes())
        return tensor

    points, directions, films, heads = problem(6, 16, 4000, True)
    for leaf in leaves(films, heads):
        leaf.requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        evaluate(points, directions, films, heads)
    layer = points[..., 0].numel() * 16 * points.element_size()
    weights = sum(leaf.untyped_storage().nbytes() for leaf in leaves(films, heads))
    assert sum(kept) < weights + layer
