"""3DMM fits: what they hold, how a batch of images gets them, and the statistics of their
coefficients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gof.data.shards import Shard, load_shard
from gof.data.verification import verify
from gof.fitting.appearance import (
    ColourFit,
    fit_colour,
    light_law,
    look_at_vertices,
    observe,
    sample_vertices,
)
from gof.fitting.geometry import (
    Gaussian,
    Marks,
    PlaceLaw,
    Placement,
    ShapeFit,
    expression_law,
    fit_shape,
    shape_prior,
)
from gof.fitting.settings import Fit
from gof.geometry.settings import Camera
from gof.morphable.coefficients import BLOCKS, Coefficients, Statistics
from gof.morphable.landmarks import FIRST_INNER, nme_percent
from gof.morphable.model import MorphableModel, Palette
from gof.run.files import InputError, read_json

# Why a fit is no fit; 0 where it is one.
FAILURES = ("", "no landmarks", "degenerate", "landmarks far off", "too few pixels to see colours")
RIDGE = 1e-4  # least standard deviation of statistics, in those of the prior


@dataclass(frozen=True, slots=True)
class Fits:
    """n fitted heads. residual [n]: mean landmark error, percent of the distance of the outer eye
    corners; colour_residual [n]: root mean square, code values 0 to 1; failure [n]: index into
    FAILURES. What failed holds zeros."""

    coefficients: Coefficients
    placement: Placement
    residual: Tensor
    colour_residual: Tensor
    failure: Tensor

    def __getitem__(self, rows: slice | Tensor) -> Fits:
        per_image = (self.residual, self.colour_residual, self.failure)
        own = (values[rows] for values in per_image)
        return Fits(self.coefficients[rows], self.placement[rows], *own)

    @property
    def ok(self) -> Tensor:
        """Which fits can be used: bool [n]."""
        return self.failure == 0

    @property
    def pose(self) -> Tensor:
        """Yaw and pitch of the cameras, [n, 2]."""
        return self.placement.pose

    def arrays(self) -> dict[str, np.ndarray]:
        """What a shard holds."""
        named = {name: getattr(self.coefficients, name) for name in BLOCKS}
        named |= {"pose": self.pose, "roll": self.placement.roll, "shift": self.placement.shift}
        named |= {"residual": self.residual, "colour_residual": self.colour_residual}
        named |= {"failure": self.failure.to(torch.uint8), "ok": self.ok}
        return {name: value.numpy() for name, value in named.items()}

    @classmethod
    def of(cls, arrays: dict[str, np.ndarray]) -> Fits:
        """Fits from the arrays of a shard. Raises KeyError for one that is missing."""
        own = {name: torch.from_numpy(array) for name, array in arrays.items()}
        return cls(
            Coefficients(*(own[name] for name in BLOCKS)),
            Placement(own["pose"], own["roll"], own["shift"]),
            own["residual"],
            own["colour_residual"],
            own["failure"],
        )


def load_fits(record: Path, split: str) -> Fits:
    """The fits of a split, in the order of its images. Raises InputError naming a file that is
    missing, changed or no shard of fits, or a split that was not fitted."""
    shards = read_json(record)["numbers"]["shards"]
    if not shards.get(split):
        fitted = ", ".join(shards) or "none"
        raise InputError(f"{record}: split {split!r} was not fitted (there are: {fitted})")
    own = [Shard(**shard) for shard in shards[split]]
    verify(record, own, "fit again")
    return join([record.parent / shard.file for shard in own])


def join(paths: Sequence[Path]) -> Fits:
    """The fits of some shards, one after the other. Raises InputError naming one that holds
    none."""
    parts = []
    for path in paths:
        try:
            parts.append(Fits.of(load_shard(path)).arrays())
        except KeyError as error:
            raise InputError(f"{path}: holds no {error.args[0]}: fit again") from None
    return Fits.of({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})


@dataclass(frozen=True, slots=True)
class Posterior:
    """Covariances of n fits, by block of BLOCKS: [n, size, size]."""

    blocks: dict[str, Tensor]

    def mean(self, ok: Tensor) -> dict[str, np.ndarray]:
        """Mean over the fits that are ok, [size, size] each; zeros where none is."""
        count = max(int(ok.sum()), 1)
        return {name: (value[ok].sum(0) / count).numpy() for name, value in self.blocks.items()}


@dataclass(frozen=True, slots=True)
class Certainty:
    """Standard deviation of a landmark, image half-widths, and how many times larger it is on the
    contour."""

    sigma: float
    contour: float

    @classmethod
    def of(cls, settings: Fit, exact: bool) -> Certainty:
        """As configured, else what suits projected vertices (`exact`) or found landmarks."""
        sigma, contour = (0.002, 1.0) if exact else (0.02, 2.5)
        return cls(settings.sigma or sigma, settings.contour or contour)

    def weight(self, confidence: Tensor) -> Tensor:
        """One over the standard deviations of landmarks with a confidence [n, 68]."""
        weight = confidence / self.sigma
        return torch.cat([weight[:, :FIRST_INNER] / self.contour, weight[:, FIRST_INNER:]], 1)


@dataclass(frozen=True, slots=True)
class Fitter:
    """Fits heads of one model to images of one camera; made by `Fitter.make`."""

    model: MorphableModel
    settings: Fit
    fov_deg: float
    certainty: Certainty
    prior: Gaussian
    light: Gaussian
    chosen: Tensor
    palette: Palette

    @classmethod
    def make(
        cls, model: MorphableModel, settings: Fit, camera: Camera, certainty: Certainty
    ) -> Fitter:
        """The fitter of a model for images of a camera, whose pose prior it takes over."""
        law = PlaceLaw(camera.yaw, camera.pitch, settings.roll, settings.shift, settings.shift)
        prior = shape_prior(model, law, expression_law(model, settings.expression_spread))
        chosen = sample_vertices(model, settings.region == "head")
        palette = model.palette.at(chosen)
        return cls(model, settings, camera.fov_deg, certainty, prior, light_law(), chosen, palette)

    def fit(self, images: Tensor, points: Tensor, confidence: Tensor) -> tuple[Fits, Posterior]:
        """Fit images [n, 3, r, r] (code values 0 to 1) with landmarks [n, 68, 2] on the image
        plane and their confidence [n, 68], 0 where there is none."""
        marks = Marks(points, self.certainty.weight(confidence))
        shape = fit_shape(self.model, marks, self.prior, self.fov_deg, self.settings.iterations)
        usable = shape.finite[:, None]
        identity = torch.where(usable, shape.identity, 0.0)
        expression = torch.where(usable, shape.expression, 0.0)
        placement = Placement(
            torch.where(usable, shape.placement.pose, 0.0),
            torch.where(shape.finite, shape.placement.roll, 0.0),
            torch.where(usable, shape.placement.shift, 0.0),
        )
        world = placement.apply(self.model.vertices(identity, expression))
        seen = look_at_vertices(images, world, self.model.triangles, placement, self.fov_deg)
        colour = fit_colour(observe(seen, self.chosen), self.palette, self.light)
        residual = nme_percent(shape.landmarks, points)
        failure = self._failure(shape, colour, residual, confidence)
        head = Coefficients(identity, expression, colour.albedo, colour.light)
        return _without_failures(head, placement, residual, colour, failure), _posterior(
            shape, colour
        )

    def _failure(
        self, shape: ShapeFit, colour: ColourFit, residual: Tensor, confidence: Tensor
    ) -> Tensor:
        """Index into FAILURES, [n]; the first that applies."""
        failed = torch.stack(
            [
                (confidence > 0).sum(-1) < 3,
                ~shape.finite,
                ~(residual < self.settings.largest_residual),
                ~colour.finite,
            ],
            -1,
        )
        first = failed.int().argmax(-1) + 1
        return torch.where(failed.any(-1), first, 0).to(torch.uint8)


def _without_failures(
    head: Coefficients,
    placement: Placement,
    residual: Tensor,
    colour: ColourFit,
    failure: Tensor,
) -> Fits:
    """The fits, zeros in the place of what failed, so that no number is not finite."""
    ok = failure == 0

    def kept(value: Tensor) -> Tensor:
        shaped = ok.view(-1, *[1] * (value.ndim - 1))
        return torch.where(shaped, value, torch.zeros_like(value))

    return Fits(
        Coefficients(*(kept(getattr(head, name)) for name in BLOCKS)),
        Placement(kept(placement.pose), kept(placement.roll), kept(placement.shift)),
        kept(residual),
        kept(colour.residual),
        failure,
    )


def _posterior(shape: ShapeFit, colour: ColourFit) -> Posterior:
    """The diagonal blocks; what is known of two blocks together is not kept."""
    blocks = {}
    for covariance, names, fitted in (
        (shape.covariance, BLOCKS[:2], shape),
        (colour.covariance, BLOCKS[2:], colour),
    ):
        start = 0
        for name in names:
            stop = start + getattr(fitted, name).shape[1]
            blocks[name] = covariance[:, start:stop, start:stop]
            start = stop
    return Posterior(blocks)


def estimate(values: dict[str, Tensor], posterior: dict[str, Tensor]) -> Statistics:
    """Mean and covariance of the coefficients' distribution from fits values[name] [n, size] and
    their mean posterior covariance [size, size], by block.

    Modes of posteriors lie nearer to the prior's mean than what they estimate, so their own
    covariance is too small. What is missing is the mean posterior covariance: cov(c) = cov(E[c |
    image]) + E[cov(c | image)]. (One step of expectation maximisation, Dempster et al., 1977, from
    the prior.)
    """
    mean, factor = {}, {}
    for name in BLOCKS:
        fits = values[name].double()
        covariance = fits.T.cov(correction=0).reshape(fits.shape[1], -1) + posterior[name].double()
        ridge = RIDGE**2 * torch.eye(fits.shape[1]).double()
        mean[name] = fits.mean(0).float()
        factor[name] = torch.linalg.cholesky((covariance + covariance.mT) / 2 + ridge).float()
    return Statistics(mean, factor)
