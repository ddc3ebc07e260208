"""Pose and shape from landmarks: derivatives, exact recovery, honest uncertainty."""

import math

import pytest
import torch

from gof.fitting import geometry as geometry_fit
from gof.fitting.geometry import (
    PLACE,
    Gaussian,
    Marks,
    PlaceLaw,
    Placement,
    expression_law,
    fit_shape,
    shape_prior,
)
from gof.geometry.cameras import project
from gof.morphable.model import MorphableModel

FOV = 12.0
LAW = PlaceLaw(0.3, 0.15, 0.1, 0.01, 0.01)


def draws(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def unit_law(model):
    size = len(model.expression)
    return Gaussian(torch.zeros(size).double(), torch.eye(size).double())


def truth(model, count, seed=0, law=LAW):
    """Random heads: identity, expression, placement, landmarks on the image plane."""
    identity = draws(count, len(model.identity), seed=seed)
    expression = draws(count, len(model.expression), seed=seed + 1)
    pose = draws(count, 2, seed=seed + 2) * torch.tensor([law.yaw, law.pitch])
    roll = draws(count, seed=seed + 3) * law.roll
    shift = draws(count, 3, seed=seed + 4) * law.across
    place = Placement(pose, roll, shift)
    own = model.vertices(identity, expression)[:, model.landmarks]
    plane, _ = project(place.apply(own), pose, FOV)
    return identity, expression, place, plane


def test_placement_of_nothing_moves_nothing():
    points = draws(3, 7, 3)
    place = Placement(draws(3, 2), torch.zeros(3), torch.zeros(3, 3))
    torch.testing.assert_close(place.apply(points), points, atol=1e-6, rtol=0)


def test_roll_turns_the_image_counterclockwise():
    points, pose = draws(1, 9, 3) * 0.05, torch.tensor([[0.4, -0.2]])
    angle = 0.3
    rolled = Placement(pose, torch.tensor([angle]), torch.zeros(1, 3)).apply(points)
    before, depth = project(points, pose, FOV)
    after, depth_after = project(rolled, pose, FOV)
    cos, sin = math.cos(angle), math.sin(angle)
    expected = before @ torch.tensor([[cos, sin], [-sin, cos]])
    torch.testing.assert_close(after, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(depth_after, depth, atol=1e-6, rtol=0)


def test_shift_is_along_the_cameras_axes():
    pose = torch.tensor([[0.7, 0.3]])
    shift = torch.tensor([[0.02, -0.01, 0.05]])
    moved = Placement(pose, torch.zeros(1), shift).apply(torch.zeros(1, 1, 3))
    plane, depth = project(moved, pose, FOV)
    assert depth.item() == pytest.approx(0.95, abs=1e-6)
    half = math.tan(math.radians(FOV / 2))
    expected = torch.tensor([0.02, -0.01]) / (0.95 * half)
    torch.testing.assert_close(plane[0, 0], expected, atol=1e-5, rtol=0)


def test_jacobian_is_that_of_automatic_differentiation(lively):
    model = MorphableModel.load(lively)
    basis = torch.cat([model.identity, model.expression])[:, model.landmarks].double()
    marks = Marks(draws(2, 68, 2).double(), draws(2, 68, seed=1).double().abs())
    prior = shape_prior(model, LAW, unit_law(model))
    problem = geometry_fit._Problem(
        model.mean[model.landmarks].double(), basis.permute(1, 2, 0), marks, prior, 0.1
    )
    theta = 0.2 * draws(2, PLACE + len(basis), seed=2).double()
    _, seen, own = problem.project(theta)
    found = problem._jacobian(theta, seen, own)
    everything = torch.func.jacrev(lambda t: problem.residual(problem.project(t)[0]))(theta)
    for k in range(2):
        torch.testing.assert_close(found[k], everything[k, :, k], atol=1e-9, rtol=1e-9)


def test_exact_landmarks_give_back_heads_and_places(lively):
    model = MorphableModel.load(lively)
    identity, expression, place, plane = truth(model, 12)
    marks = Marks(plane, torch.full((12, 68), 1e5))
    fit = fit_shape(model, marks, shape_prior(model, LAW, unit_law(model)), FOV, 50)
    assert fit.finite.all()
    torch.testing.assert_close(fit.landmarks, plane, atol=2e-4, rtol=0)
    shapes = model.vertices(fit.identity, fit.expression)[:, model.landmarks]
    goal = model.vertices(identity, expression)[:, model.landmarks]
    # scale and distance cannot be told apart: compare what the camera sees of the placed heads
    seen = project(fit.placement.apply(shapes), fit.placement.pose, FOV)[0]
    torch.testing.assert_close(
        seen, project(place.apply(goal), place.pose, FOV)[0], atol=3e-4, rtol=0
    )
    assert (fit.placement.pose - place.pose).square().mean().sqrt() < 0.1


def test_uncertainty_is_honest(lively):
    """Over heads drawn from the prior and noisy landmarks, errors have the covariance that the fit
    reports: the Mahalanobis distance is chi-squared with as many degrees as coefficients. Places
    are near the middle, where the problem is nearly linear and the Laplace approximation holds."""
    model, sigma, count = MorphableModel.load(lively), 0.03, 300
    law = PlaceLaw(0.03, 0.03, 0.03, 0.003, 0.003)
    identity, expression, _, plane = truth(model, count, 10, law)
    noisy = plane + sigma * draws(count, 68, 2, seed=20)
    marks = Marks(noisy, torch.full((count, 68), 1 / sigma))
    fit = fit_shape(model, marks, shape_prior(model, law, unit_law(model)), FOV, 30)
    error = torch.cat([fit.identity - identity, fit.expression - expression], -1).double()
    distance = (error[:, None] @ torch.linalg.inv(fit.covariance) @ error[..., None]).flatten()
    degrees = error.shape[1]
    assert distance.mean().item() == pytest.approx(degrees, rel=0.15)
    prior_left = fit.covariance.diagonal(dim1=-2, dim2=-1).mean()
    assert prior_left < 0.9  # the landmarks said something


def test_points_without_weight_say_nothing(lively):
    model = MorphableModel.load(lively)
    plane = truth(model, 2)[3]
    weight = torch.full((2, 68), 300.0)
    weight[:, 5:9] = 0
    moved = plane.clone()
    moved[:, 5:9] += 0.5
    prior = shape_prior(model, LAW, unit_law(model))
    one, two = (fit_shape(model, Marks(p, weight), prior, FOV, 20) for p in (plane, moved))
    torch.testing.assert_close(one.identity, two.identity)
    torch.testing.assert_close(one.placement.pose, two.placement.pose)


def test_bad_images_do_not_spoil_their_batch(lively):
    model = MorphableModel.load(lively)
    plane = truth(model, 4)[3]
    weight = torch.full((4, 68), 300.0)
    prior = shape_prior(model, LAW, unit_law(model))
    alone = fit_shape(model, Marks(plane[:1], weight[:1]), prior, FOV, 20)
    plane[1, 3] = torch.nan
    weight[2, 2:] = 0
    weight[3] = torch.inf
    fit = fit_shape(model, Marks(plane, weight), prior, FOV, 20)
    assert fit.finite.tolist() == [True, False, False, False]
    torch.testing.assert_close(fit.identity[:1], alone.identity, atol=1e-5, rtol=0)


def test_expressions_follow_the_law_of_the_data_set(lively):
    model = MorphableModel.load(lively)
    law = expression_law(model, 0.05)
    covariance = torch.linalg.inv(law.precision)
    smile = [model.expression_names.index(f"mouthSmile{side}") for side in ("Left", "Right")]
    assert (law.mean[smile] > 0.05).all()
    together = covariance[smile[0], smile[1]] / covariance[smile[0], smile[0]]
    assert together > 0.8  # both corners of the mouth smile together
    assert covariance.diagonal().min() >= 0.05**2 * 0.999


def test_unknown_expressions_are_standard_normal(lively):
    model = MorphableModel.load(lively)
    named = tuple(f"component {k}" for k in range(len(model.expression)))
    other = MorphableModel(
        model.mean,
        model.identity,
        model.expression,
        named,
        model.triangles,
        model.landmarks,
        model.face,
        model.palette,
    )
    law = expression_law(other, 0.05)
    assert not law.mean.any()
    torch.testing.assert_close(law.precision, torch.eye(len(named)).double())
