import pytest
import torch

from gof.morphable.coefficients import BLOCKS, LATENT, Coefficients, Layout, Statistics
from gof.run import rng
from gof.run.files import InputError, write_npz

SIZES = {"identity": 4, "expression": 3, "albedo": 2, "light": 5}


@pytest.fixture
def statistics() -> Statistics:
    draw = rng.generator(0, "statistics")
    mean = {name: torch.randn(n, generator=draw) for name, n in SIZES.items()}
    factor = {
        name: torch.randn(n, n, generator=draw).tril(-1) + torch.eye(n) * 1.5
        for name, n in SIZES.items()
    }
    return Statistics(mean, factor)


def test_whitening_is_the_way_back(statistics) -> None:
    z = torch.randn(6, 14, generator=rng.generator(0, "z"))
    torch.testing.assert_close(statistics.whiten(statistics.unwhiten(z)), z, atol=1e-4, rtol=0)


def test_coloured_draws_have_the_mean_and_covariance(statistics) -> None:
    z = torch.randn(40_000, 14, generator=rng.generator(0, "z"))
    drawn = statistics.unwhiten(z)
    for name in BLOCKS:
        factor, block = statistics.factor[name], getattr(drawn, name)
        torch.testing.assert_close(block.mean(0), statistics.mean[name], atol=0.08, rtol=0)
        torch.testing.assert_close(block.T.cov(), factor @ factor.mT, atol=0.25, rtol=0.05)


def test_saved_statistics_are_the_same(statistics, tmp_path) -> None:
    statistics.save(tmp_path / "statistics.npz")
    again = Statistics.load(tmp_path / "statistics.npz")
    assert again.sizes == SIZES
    for name in BLOCKS:
        assert torch.equal(again.factor[name], statistics.factor[name])


def test_statistics_that_cannot_be_used_are_named(statistics, tmp_path) -> None:
    path = tmp_path / "statistics.npz"
    arrays = {f"{name}_mean": statistics.mean[name].numpy() for name in BLOCKS}
    arrays |= {f"{name}_factor": statistics.factor[name].numpy().copy() for name in BLOCKS}
    write_npz(path, {k: v for k, v in arrays.items() if k != "albedo_mean"})
    with pytest.raises(InputError, match=r"statistics.npz: albedo: .* fit the data set again"):
        Statistics.load(path)
    arrays["light_factor"][2, 2] = 0
    write_npz(path, arrays)
    with pytest.raises(InputError, match="light_factor is singular"):
        Statistics.load(path)


def test_rows_of_coefficients() -> None:
    drawn = Coefficients(*(torch.arange(3.0)[:, None].expand(3, n) for n in SIZES.values()))
    assert len(drawn[1:]) == 2 and drawn[1:].joined()[0].eq(1).all()


def test_layout_places_every_entry_once() -> None:
    layout = Layout(SIZES | {"free_geometry": 2, "free_texture": 1})
    assert layout.total == 17 and layout.free == 3
    places = [layout.place(name) for name in LATENT]
    assert [p.start for p in places[1:]] == [p.stop for p in places[:-1]]
    face = torch.randn(4, 14, generator=rng.generator(0, "face"))
    free = torch.randn(4, 3, generator=rng.generator(0, "free"))
    latent = layout.latent(face, free)
    assert torch.equal(layout.face(latent), face) and torch.equal(layout.loose(latent), free)
    assert torch.equal(latent[:, layout.place("expression")], face[:, 4:7])
    assert torch.equal(latent[:, layout.place("free_texture")], free[:, 2:])
