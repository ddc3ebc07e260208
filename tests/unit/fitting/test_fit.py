"""Fits of images, their files, and the statistics of what was fitted."""

import dataclasses

import numpy as np
import pytest
import torch

from gof.data.shards import write_shard
from gof.fitting.checks import projected
from gof.fitting.fit import FAILURES, Certainty, Fits, Fitter, estimate, join, load_fits
from gof.fitting.settings import Fit
from gof.geometry.lighting import random_light
from gof.geometry.settings import Camera
from gof.heads.render import HeadBatch, render_heads
from gof.heads.settings import RenderedHeads
from gof.morphable.coefficients import BLOCKS
from gof.morphable.landmarks import nme_percent
from gof.morphable.model import LinearAlbedo, MorphableModel
from gof.run.files import InputError, write_json
from gof.run.rng import streams

CAMERA = Camera()
EXACT = Certainty(0.002, 1.0)


def draws(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def model(lively):
    return MorphableModel.load(lively)


@pytest.fixture
def fitter(model):
    return Fitter.make(model, Fit(), CAMERA, EXACT)


def rendered(model, count):
    """Images [n, 3, 64, 64], code values 0 to 1, of random heads, and the heads."""
    own = streams(1, "test", range(count))
    pose = draws(count, 2, seed=4) * torch.tensor([CAMERA.yaw, CAMERA.pitch])
    heads = HeadBatch(
        draws(count, len(model.identity), seed=1).clamp(-2, 2),
        0.3 * draws(count, len(model.expression), seed=2).abs(),
        draws(count, model.palette.size, seed=3),
        random_light(own),
        pose,
    )
    arrays = render_heads(model, heads, RenderedHeads(resolutions=(64,)))
    images = torch.from_numpy(arrays["image_64"]).permute(0, 3, 1, 2).float() / 255
    return images, torch.from_numpy(arrays["landmarks"]), heads


def test_heads_are_fitted_from_their_images(model, fitter):
    images, landmarks, heads = rendered(model, 6)
    fits, posterior = fitter.fit(images, landmarks, torch.ones(6, 68))
    assert fits.ok.all()
    assert (fits.residual < 1).all()
    assert (fits.pose - heads.pose).abs().mean() < 0.04  # a quarter of the prior
    torch.testing.assert_close(
        nme_percent(projected(model, fits, CAMERA.fov_deg), landmarks), fits.residual,
        atol=1e-2, rtol=1e-3,
    )  # fmt: skip
    left = (fits.coefficients.albedo - heads.albedo).square().mean()
    assert left < 0.5 * heads.albedo.square().mean()
    assert {n: v.shape[1] for n, v in posterior.blocks.items()} == {
        n: getattr(fits.coefficients, n).shape[1] for n in BLOCKS
    }


def test_every_kind_of_failure_is_named_and_the_rest_goes_on(model, fitter):
    images, landmarks, _ = rendered(model, 5)
    alone, _ = fitter.fit(images[:1], landmarks[:1], torch.ones(1, 68))
    confidence = torch.ones(5, 68)
    confidence[1] = 0
    landmarks[2, 7] = torch.nan
    landmarks[3] = landmarks[3, torch.randperm(68, generator=torch.Generator().manual_seed(0))]
    images[4] = 1  # saturated all over
    fits, posterior = fitter.fit(images, landmarks, confidence)
    assert [FAILURES[int(k)] for k in fits.failure] == list(FAILURES)
    assert fits.ok.tolist() == [True, False, False, False, False]
    for name, array in fits.arrays().items():
        assert np.isfinite(array).all(), name
        if name != "failure":
            assert not array[1:].any(), name
    torch.testing.assert_close(fits.coefficients.identity[:1], alone.coefficients.identity)
    mean = posterior.mean(fits.ok)
    np.testing.assert_array_equal(mean["albedo"], posterior.blocks["albedo"][0].numpy())


def test_contour_may_count_less(model):
    images, landmarks, _ = rendered(model, 1)
    landmarks[:, :17] += 0.05
    one = torch.ones(1, 68)
    loose = Fitter.make(model, Fit(), CAMERA, Certainty(0.002, 1000.0)).fit(images, landmarks, one)[
        0
    ]
    tight = Fitter.make(model, Fit(), CAMERA, EXACT).fit(images, landmarks, one)[0]

    def inner(fits):
        away = projected(model, fits, CAMERA.fov_deg)[:, 17:] - landmarks[:, 17:]
        return away.norm(dim=-1).mean()

    assert inner(loose) < 0.5 * inner(tight)


def written(folder, fits, **change):
    """A record of fits in two shards of a split."""
    half = len(fits.ok) // 2
    shards = []
    for k, own in enumerate((fits[:half], fits[half:])):
        shard = write_shard(folder / f"train-{k:03d}", own.arrays() | change)
        shards.append(dataclasses.asdict(shard))
    record = folder / "fits.json"
    write_json(record, {"numbers": {"shards": {"train": shards}}})
    return record


def test_fits_survive_their_files(model, fitter, tmp_path):
    images, landmarks, _ = rendered(model, 3)
    fits, _ = fitter.fit(images, landmarks, torch.ones(3, 68))
    back = load_fits(written(tmp_path, fits), "train")
    for name, array in fits.arrays().items():
        np.testing.assert_array_equal(back.arrays()[name], array, err_msg=name)


def test_bad_files_of_fits_are_named(model, fitter, tmp_path):
    images, landmarks, _ = rendered(model, 2)
    fits, _ = fitter.fit(images, landmarks, torch.ones(2, 68))
    record = written(tmp_path, fits)
    with pytest.raises(InputError, match=r"fits\.json: split 'test' was not fitted \(.*train\)"):
        load_fits(record, "test")
    next(tmp_path.glob("train-001.*")).write_bytes(b"other")
    with pytest.raises(InputError, match=r"train-001\.\w+\.safetensors: changed"):
        load_fits(record, "train")
    arrays = fits.arrays()
    del arrays["albedo"]
    path = tmp_path / write_shard(tmp_path / "train-002", arrays).file
    with pytest.raises(InputError, match=r"train-002\.\w+\.safetensors: holds no albedo"):
        join([path])


def test_statistics_give_back_the_distribution_that_shrunken_fits_hide():
    """Draws of a known Gaussian, each seen through noise: the modes' own covariance is too small,
    the estimate is not."""
    size, count, noise = 4, 20000, 1.5
    factor = torch.tril(draws(size, size)) + 2 * torch.eye(size)
    covariance, mean = (factor @ factor.T).double(), draws(size, seed=1).double()
    true = mean + draws(count, size, seed=2).double() @ factor.double().T
    seen = true + noise * draws(count, size, seed=3).double()
    posterior = torch.linalg.inv(torch.linalg.inv(covariance) + torch.eye(size) / noise**2)
    modes = mean + (seen - mean) @ (posterior / noise**2)
    statistics = estimate(dict.fromkeys(BLOCKS, modes), dict.fromkeys(BLOCKS, posterior))
    for name in BLOCKS:
        found = (statistics.factor[name] @ statistics.factor[name].T).double()
        own = modes.T.cov()
        assert (found - covariance).norm() < 0.03 * covariance.norm()
        assert (own - covariance).norm() > 0.1 * covariance.norm()
        torch.testing.assert_close(statistics.mean[name].double(), mean, atol=0.1, rtol=0)


def test_statistics_of_coefficients_that_never_change_can_be_inverted():
    same = torch.full((10, 3), 0.7)
    none = torch.zeros(3, 3).double()
    statistics = estimate(dict.fromkeys(BLOCKS, same), dict.fromkeys(BLOCKS, none))
    for name in BLOCKS:
        assert (statistics.factor[name].diagonal() > 0).all()
        torch.testing.assert_close(statistics.mean[name], same[0])


def test_parts_of_fits_are_fits(model, fitter):
    images, landmarks, _ = rendered(model, 3)
    fits, _ = fitter.fit(images, landmarks, torch.ones(3, 68))
    some = fits[torch.tensor([2, 0])]
    assert isinstance(some, Fits)
    torch.testing.assert_close(some.pose, fits.pose[[2, 0]])
    torch.testing.assert_close(some.coefficients.light[0], fits.coefficients.light[2])


def test_found_landmarks_count_less_than_true_ones_unless_configured():
    assert Certainty.of(Fit(), exact=True) == Certainty(0.002, 1.0)
    assert Certainty.of(Fit(), exact=False) == Certainty(0.02, 2.5)
    own = Fit(sigma=0.1, contour=3.0)
    assert Certainty.of(own, exact=True) == Certainty.of(own, exact=False) == Certainty(0.1, 3.0)


def test_a_model_of_another_kind_is_fitted_alike(model):
    """Linear albedo in sRGB and expressions without names, as the Basel Face Model has them."""
    base = 130 + 400 * model.mean
    palette = LinearAlbedo(base, 15 * draws(3, 1, 1, seed=6) * draws(3, *base.shape, seed=7))
    names = tuple(f"expression {k}" for k in range(len(model.expression)))
    other = dataclasses.replace(model, palette=palette, expression_names=names)
    images, landmarks, heads = rendered(other, 4)
    fitter = Fitter.make(other, Fit(region="face"), CAMERA, EXACT)
    fits, _ = fitter.fit(images, landmarks, torch.ones(4, 68))
    assert fits.ok.all()
    assert (fits.residual < 1).all()
    assert fits.coefficients.albedo.shape == heads.albedo.shape
    assert fits.colour_residual.max() < 0.1
