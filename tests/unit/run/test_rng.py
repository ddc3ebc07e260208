import torch

from gof.run import rng


def test_streams_depend_on_seed_purpose_and_index_alone() -> None:
    a = rng.streams(1, "latent", [5, 6, 7]).normal(4)
    b = rng.streams(1, "latent", [6]).normal(4)
    torch.testing.assert_close(a[1], b[0], rtol=0, atol=0)
    for other in (rng.streams(2, "latent", [6]), rng.streams(1, "pose", [6])):
        assert not torch.equal(other.normal(4)[0], b[0])


def test_derived_seeds_do_not_depend_on_the_process() -> None:
    # A constant: the value must never change between versions, or resumed runs would.
    assert rng.derive(0, "latent", 3) == 7045725127619896081


def test_nothing_touches_the_global_generator() -> None:
    before = torch.get_rng_state()
    rng.streams(0, "x", [1]).uniform(10)
    torch.randn(3, generator=rng.generator(0, "y"))
    assert torch.equal(before, torch.get_rng_state())
