"""Pose and shape of heads from 68 landmarks: damped Gauss-Newton with a Gaussian prior.

The estimate is the mode of the posterior; its covariance is that of the Laplace approximation,
(J^T J + P)^-1, with residuals in units of their standard deviation and P the prior's precision.
Damping follows Marquardt, "An algorithm for least-squares estimation of nonlinear parameters"
(1963).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gof.geometry.cameras import camera_axes
from gof.morphable.expressions import random_expressions
from gof.morphable.model import MorphableModel
from gof.run.rng import streams

PLACE = 6  # parameters before the coefficients: yaw, pitch, roll, shift
LAW_DRAWS = 4000  # of the law of expressions
FIRST_DAMPING, CALMER, FIRMER = 1e-3, 0.2, 8.0
SETTLED = 1e-6  # relative fall of the objective below which an image is done
STUCK = 1e6  # damping beyond which no step helps
REACH = 0.5  # longest shift, camera radii: beyond it a head is next to the camera


@dataclass(frozen=True, slots=True)
class Placement:
    """Where n heads stand before their cameras: pose [n, 2] (yaw, pitch) of the camera, roll [n] of
    the head about the viewing axis (radians, counterclockwise in the image), shift [n, 3] of the
    head along the camera's right, up and backward axes (camera radii)."""

    pose: Tensor
    roll: Tensor
    shift: Tensor

    def __getitem__(self, rows: slice | Tensor) -> Placement:
        return Placement(self.pose[rows], self.roll[rows], self.shift[rows])

    def apply(self, points: Tensor) -> Tensor:
        """Heads' own points [n, v, 3] -> world: turned by roll and moved by shift, so that a camera
        at `pose` sees them where they were fitted."""
        axes = torch.stack(camera_axes(self.pose), 1)
        seen = points @ (_rotation(_angles(self)).mT) + self.shift[:, None]
        return seen @ axes


@dataclass(frozen=True, slots=True)
class Gaussian:
    """mean [d] and precision [d, d], the inverse of the covariance."""

    mean: Tensor
    precision: Tensor


@dataclass(frozen=True, slots=True)
class PlaceLaw:
    """Standard deviations of yaw, pitch and roll (radians) and of the shift across and along the
    viewing axis (camera radii), all around 0."""

    yaw: float
    pitch: float
    roll: float
    across: float
    along: float


@dataclass(frozen=True, slots=True)
class Marks:
    """Observed landmarks: points [n, 68, 2] on the image plane (x right, y up, the image spans [-1,
    1]) and weight [n, 68], one over their standard deviation there; 0 leaves a point out."""

    points: Tensor
    weight: Tensor


@dataclass(frozen=True, slots=True)
class ShapeFit:
    """identity [n, i], expression [n, e], where the heads stand, the posterior covariance [n, i +
    e, i + e] of the coefficients, the fitted landmarks [n, 68, 2], and finite [n]: whether the
    numbers can be used at all."""

    identity: Tensor
    expression: Tensor
    placement: Placement
    covariance: Tensor
    landmarks: Tensor
    finite: Tensor


def _angles(placement: Placement) -> Tensor:
    return torch.cat([placement.pose, placement.roll[:, None]], -1)


def _rotation(angles: Tensor) -> Tensor:
    """World to camera axes, then roll: [n, 3, 3] for yaw, pitch, roll [n, 3]."""
    axes = torch.stack(camera_axes(angles[:, :2]), 1)
    cos, sin = angles[:, 2].cos(), angles[:, 2].sin()
    zero, one = torch.zeros_like(cos), torch.ones_like(cos)
    roll = torch.stack([cos, -sin, zero, sin, cos, zero, zero, zero, one], -1)
    return roll.view(-1, 3, 3) @ axes


def expression_law(model: MorphableModel, least: float) -> Gaussian:
    """What is known about expressions before an image is seen: mean and covariance of
    `gof.morphable.expressions`, every standard deviation raised by `least`; N(0, 1) where the model
    knows none of its units (Basel Face Model)."""
    own = streams(0, "fit/expressions", range(LAW_DRAWS))
    drawn = random_expressions(model.expression_names, own).double()
    size = len(model.expression)
    if not drawn.any():
        return Gaussian(torch.zeros(size).double(), torch.eye(size).double())
    covariance = drawn.T.cov() + least**2 * torch.eye(size).double()
    return Gaussian(drawn.mean(0), torch.linalg.inv(covariance))


def shape_prior(model: MorphableModel, law: PlaceLaw, expression: Gaussian) -> Gaussian:
    """Prior of all parameters: placement, identity ~ N(0, I), expression."""
    spread = [law.yaw, law.pitch, law.roll, law.across, law.across, law.along]
    place = torch.tensor(spread).double().square().reciprocal()
    blocks = [place.diag(), torch.eye(len(model.identity)).double(), expression.precision]
    mean = torch.zeros(PLACE + len(model.identity)).double()
    return Gaussian(torch.cat([mean, expression.mean]), torch.block_diag(*blocks))


@dataclass(frozen=True, slots=True)
class _Problem:
    """What the residuals are made of: mean [68, 3] and basis [68, 3, c] of the landmarks' vertices,
    half: tangent of half the angle of view."""

    mean: Tensor
    basis: Tensor
    marks: Marks
    prior: Gaussian
    half: float

    def project(self, theta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Landmarks on the image plane [n, 68, 2]; points in camera axes [n, 68, 3]; heads' own
        points [n, 68, 3]."""
        own = self.mean + torch.einsum("lkc,nc->nlk", self.basis, theta[:, PLACE:])
        seen = own @ _rotation(theta[:, :3]).mT + theta[:, None, 3:PLACE]
        plane = seen[..., :2] / ((1 - seen[..., 2:]) * self.half)
        return plane, seen, own

    def residual(self, plane: Tensor) -> Tensor:
        """Landmarks' errors in standard deviations, [n, 136]."""
        return ((plane - self.marks.points) * self.marks.weight[..., None]).flatten(1)

    def objective(self, theta: Tensor) -> Tensor:
        """Twice the negative log posterior, up to a constant [n]."""
        away = theta - self.prior.mean
        prior = torch.einsum("nc,cd,nd->n", away, self.prior.precision, away)
        return self.residual(self.project(theta)[0]).square().sum(-1) + prior

    def normal_equations(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """J^T J + P [n, d, d] and the objective's half gradient [n, d]."""
        plane, seen, own = self.project(theta)
        jacobian = self._jacobian(theta, seen, own)
        away = theta - self.prior.mean
        matrix = jacobian.mT @ jacobian + self.prior.precision
        slope = torch.einsum("nrd,nr->nd", jacobian, self.residual(plane))
        return matrix, slope + away @ self.prior.precision

    def _jacobian(self, theta: Tensor, seen: Tensor, own: Tensor) -> Tensor:
        """Residuals by parameters, [n, 136, d]."""
        near = 1 / ((1 - seen[..., 2]) * self.half)
        zero = torch.zeros_like(near)
        pull = seen[..., :2] / (1 - seen[..., 2:]) * near[..., None]
        across = torch.stack([near, zero, pull[..., 0]], -1)
        upward = torch.stack([zero, near, pull[..., 1]], -1)
        lens = torch.stack([across, upward], -2) * self.marks.weight[..., None, None]
        turns = torch.func.vmap(torch.func.jacfwd(lambda a: _rotation(a[None])[0]))(theta[:, :3])
        angles = torch.einsum("nlik,nkja,nlj->nlia", lens, turns, own)
        turned = lens @ _rotation(theta[:, :3])[:, None]
        coefficients = turned @ self.basis  # [n, 68, 2, c]
        return torch.cat([angles, lens, coefficients], -1).flatten(1, 2)


def _descend(problem: _Problem, iterations: int) -> Tensor:
    """The mode of every posterior, [n, d]; NaN where there is none."""
    count = len(problem.marks.points)
    theta = problem.prior.mean.expand(count, -1).clone()
    damping = torch.full((count,), FIRST_DAMPING, dtype=theta.dtype)
    going = torch.ones(count, dtype=torch.bool)  # each image ends by itself, whatever its batch
    cost = problem.objective(theta)
    for _ in range(iterations):
        matrix, slope = problem.normal_equations(theta)
        diagonal = matrix.diagonal(dim1=-2, dim2=-1)
        damped = matrix + torch.diag_embed(damping[:, None] * diagonal)
        factor, _ = torch.linalg.cholesky_ex(damped)
        trial = theta - torch.cholesky_solve(slope[..., None], factor).squeeze(-1)
        trial_cost = torch.where(
            trial[:, 3:PLACE].abs().amax(-1) < REACH, problem.objective(trial), torch.inf
        )
        better = (trial_cost < cost) & going
        fall = torch.where(better, (cost - trial_cost) / cost, torch.inf)
        theta = torch.where(better[:, None], trial, theta)
        cost = torch.where(better, trial_cost, cost)
        damping = damping * torch.where(better, CALMER, FIRMER)
        going &= (fall >= SETTLED) & cost.isfinite() & (damping < STUCK)
        if not going.any():
            break
    return theta


def fit_shape(
    model: MorphableModel, marks: Marks, prior: Gaussian, fov_deg: float, iterations: int
) -> ShapeFit:
    """Fit heads to landmarks. Images whose landmarks are not finite, or of which no more than two
    have weight, come back with `finite` False."""
    sound = marks.points.flatten(1).isfinite().all(-1) & marks.weight.isfinite().all(-1)
    sound &= (marks.weight > 0).sum(-1) > 2
    points = torch.where(sound[:, None, None], marks.points, 0).double()
    weight = torch.where(sound[:, None], marks.weight, 0).double()
    chosen = torch.cat([model.identity, model.expression])[:, model.landmarks].double()
    problem = _Problem(
        model.mean[model.landmarks].double(),
        chosen.permute(1, 2, 0).contiguous(),
        Marks(points, weight),
        prior,
        math.tan(math.radians(fov_deg) / 2),
    )
    theta = _descend(problem, iterations)
    matrix, _ = problem.normal_equations(theta)
    factor, failed = torch.linalg.cholesky_ex(matrix)
    covariance = torch.cholesky_inverse(factor)[:, PLACE:, PLACE:]
    finite = sound & (failed == 0) & theta.isfinite().all(-1)
    landmarks = problem.project(theta)[0].float()
    theta = theta.float()
    sizes = [2, 1, 3, len(model.identity), len(model.expression)]
    pose, roll, shift, identity, expression = theta.split(sizes, -1)
    placement = Placement(pose, roll.squeeze(-1), shift)
    return ShapeFit(identity, expression, placement, covariance, landmarks, finite)
