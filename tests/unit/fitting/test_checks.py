"""Fits against the truth: perfect fits have no error, the mean head has its own."""

import dataclasses

import pytest
import torch

from gof.data.manifest import load_manifest
from gof.fitting.checks import (
    Truth,
    against_truth,
    depth_errors,
    fits_model,
    has_truth,
    load_truth,
    on_face,
    recovery,
)
from gof.fitting.fit import Fits
from gof.fitting.geometry import Placement
from gof.geometry.raster import rasterise
from gof.morphable.coefficients import Coefficients
from gof.morphable.model import MorphableModel

FOV = 12.0


def draws(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def model(lively):
    return MorphableModel.load(lively)


@pytest.fixture
def truth(model):
    from gof.geometry.cameras import project

    count = 5
    head = Coefficients(
        draws(count, len(model.identity)),
        draws(count, len(model.expression), seed=1) * 0.3,
        draws(count, model.palette.size, seed=2),
        draws(count, 27, seed=3),
    )
    pose = 0.2 * draws(count, 2, seed=4)
    shapes = model.vertices(head.identity, head.expression)
    depth = rasterise(shapes, model.triangles, pose, 32, FOV).depth
    landmarks, _ = project(shapes[:, model.landmarks], pose, FOV)
    return Truth(head, pose, landmarks, lambda some: depth[some.start : some.stop])


def perfect(truth, **change):
    count = len(truth.pose)
    place = Placement(truth.pose, torch.zeros(count), torch.zeros(count, 3))
    zero = torch.zeros(count)
    fits = Fits(truth.coefficients, place, zero, zero, zero.to(torch.uint8))
    return dataclasses.replace(fits, **change)


def test_perfect_fits_have_no_error(model, truth):
    rows, numbers = against_truth(model, perfect(truth), truth, FOV)
    values = {row["metric"]: row["value"] for row in rows}
    assert values["landmark_nme_percent"] == pytest.approx(0, abs=1e-3)
    assert values["depth_error_ratio"] == pytest.approx(0, abs=1e-4)
    assert numbers["pose_error_rad"] == 0
    assert numbers["depth_error_mean_head"] > 1e-3
    assert all(own["correlation"] > 0.999 for own in numbers["recovery"].values())
    assert all(row["n"] == 5 and row["model"] == "fit" for row in rows)


def test_mean_heads_are_as_good_as_the_mean_head(model, truth):
    head = truth.coefficients
    mean = dataclasses.replace(head, identity=head.identity * 0, expression=head.expression * 0)
    rows, _ = against_truth(model, perfect(truth, coefficients=mean), truth, FOV)
    ratio = next(row["value"] for row in rows if row["metric"] == "depth_error_ratio")
    assert ratio == pytest.approx(1)


def test_a_head_moved_along_the_axis_errs_by_that_much(model, truth):
    fits = perfect(truth)
    place = dataclasses.replace(
        fits.placement, shift=torch.tensor([[0.0, 0.0, 0.01]]).expand(5, -1)
    )
    errors = depth_errors(model, dataclasses.replace(fits, placement=place), truth, FOV)
    torch.testing.assert_close(errors.fit, torch.full((5,), 0.01), atol=1.5e-3, rtol=0)


def test_failed_fits_do_not_count(model, truth):
    fits = perfect(truth)
    identity = fits.coefficients.identity.clone()
    identity[2] = 100
    failure = torch.tensor([0, 0, 3, 0, 0], dtype=torch.uint8)
    head = dataclasses.replace(fits.coefficients, identity=identity)
    rows, _ = against_truth(
        model, dataclasses.replace(fits, coefficients=head, failure=failure), truth, FOV
    )
    assert all(row["n"] == 4 and row["value"] < 1e-3 for row in rows)


def test_face_pixels_see_face_vertices_only(model):
    some = dataclasses.replace(model, face=model.mean[:, 0] > 0)
    raster = rasterise(model.mean[None], model.triangles, torch.zeros(1, 2), 32, FOV)
    face = on_face(some, raster)[0]
    assert face[:, 17:].any() and not face[:, :15].any()
    assert not (face & ~raster.mask[0]).any()


@pytest.mark.parametrize("scale, explained", [(1.0, 1.0), (0.5, 0.75), (0.0, 0.0)])
def test_recovery_of_shrunken_coefficients(scale, explained):
    true = draws(200, 4)
    true -= true.mean(0)
    found = recovery(scale * true, true)
    assert found["explained"] == pytest.approx(explained, abs=1e-6)
    assert found["correlation"] == pytest.approx(float(scale > 0), abs=1e-6)


def test_other_models_are_told_by_their_sizes(model, truth):
    assert fits_model(model, truth.coefficients)
    fewer = dataclasses.replace(truth.coefficients, identity=truth.coefficients.identity[:, 1:])
    assert not fits_model(model, fewer)


def test_truth_of_a_data_set_is_found(tiny_heads):
    manifest = load_manifest(tiny_heads)
    assert has_truth(manifest, "test")
    truth = load_truth(manifest, "test")
    assert len(truth.pose) == manifest.splits["test"].count
    assert truth.depth(range(1, 3)).shape == (2, 16, 16)
    assert truth.coefficients.light.shape[1] == 27
