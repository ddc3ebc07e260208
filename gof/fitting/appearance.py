"""Light and albedo of heads whose shape is known, from the colours of their vertices in the image.

The image holds sRGB code values of albedo times shading (`gof.geometry.lighting.shade`). Residuals
are taken in linear light, where both factors are simple, and divided by the slope of the sRGB curve
at the observed value, so that to first order they are residuals of code values. The mode of the
posterior is found by Gauss-Newton on (albedo, light) with Gaussian priors, reweighted after Cauchy,
because hair, shadows and misplaced edges are no part of the model."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from gof.fitting.geometry import Gaussian, Placement
from gof.geometry.cameras import camera_axes, project
from gof.geometry.lighting import KERNEL, harmonics, random_light, shade
from gof.geometry.meshes import vertex_normals
from gof.geometry.raster import rasterise
from gof.geometry.shading import to_linear, to_srgb
from gof.morphable.model import MorphableModel, Palette
from gof.run.rng import generator, streams

FACE_SAMPLES, OTHER_SAMPLES = 700, 300  # vertices looked at, spread evenly over the surface
LAW_DRAWS = 4000  # of the law of light
LIGHT_SPREAD = 0.05  # added to every standard deviation of light
NOISE = 0.05  # of a code value (0 to 1); neighbours err alike, so more than one vertex's own error
OUTLIER = 0.015  # code value error at which a vertex counts half
SATURATED = 0.985  # code values above it only say "at least"
FACING = 0.25  # least cosine between normal and viewing direction
BEHIND = 0.004  # camera radii behind the visible surface at which a vertex is hidden
STEPS = 6
FEWEST = 30  # visible vertices that determine anything


@dataclass(frozen=True, slots=True)
class ColourFit:
    """albedo [n, k], light [n, 27], posterior covariance [n, k + 27, k + 27], residual [n] (root
    mean square over the visible vertices, code values 0 to 1), and finite [n]."""

    albedo: Tensor
    light: Tensor
    covariance: Tensor
    residual: Tensor
    finite: Tensor


@dataclass(frozen=True, slots=True)
class Seen:
    """What p vertices show: colour [n, p, 3] (code values), normals [n, p, 3], weight [n, p], 0
    where a vertex is hidden, turned away or saturated."""

    colour: Tensor
    normals: Tensor
    weight: Tensor


def light_law() -> Gaussian:
    """Mean and covariance of the light of `gof.geometry.lighting.random_light`, each standard
    deviation raised by LIGHT_SPREAD, because that law moves along few of its 27 directions."""
    drawn = random_light(streams(0, "fit/light", range(LAW_DRAWS))).flatten(1).double()
    covariance = drawn.T.cov() + LIGHT_SPREAD**2 * torch.eye(drawn.shape[1]).double()
    return Gaussian(drawn.mean(0), torch.linalg.inv(covariance))


def sample_vertices(model: MorphableModel, whole_head: bool) -> Tensor:
    """Vertices to look at [p], ascending: FACE_SAMPLES of the face and, with `whole_head`,
    OTHER_SAMPLES of the rest; the same in every call."""
    area = _area(model)
    chosen = [_draw(area * model.face, FACE_SAMPLES)]
    if whole_head:
        chosen.append(_draw(area * ~model.face, OTHER_SAMPLES))
    return torch.cat(chosen).sort().values


def _draw(share: Tensor, count: int) -> Tensor:
    """At most `count` different entries, drawn by their share."""
    some = min(count, int((share > 0).sum()))
    if some == 0:
        return torch.zeros(0, dtype=torch.long)
    return torch.multinomial(share, some, generator=generator(0, "fit/vertices"))


def _area(model: MorphableModel) -> Tensor:
    """Area of the triangles around each vertex [v], up to a factor."""
    corners = model.mean[model.triangles]
    area = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    around = torch.zeros(len(model.mean))
    for k in range(3):
        around.index_add_(0, model.triangles[:, k], area.norm(dim=-1))
    return around


def look_at_vertices(
    images: Tensor, world: Tensor, triangles: Tensor, place: Placement, fov_deg: float
) -> tuple[Tensor, Tensor, Tensor]:
    """What images [n, 3, r, r] (code values 0 to 1) show at the vertices of meshes [n, v, 3] in
    world places: colour [n, v, 3], normals [n, v, 3] and whether a vertex is seen [n, v]."""
    plane, _ = project(world, place.pose, fov_deg)
    grid = plane[:, None] * plane.new_tensor([1.0, -1.0])  # rows grow downwards
    colour = F.grid_sample(images, grid, align_corners=False, padding_mode="border")
    normals = vertex_normals(world, triangles)
    eye = camera_axes(place.pose)[2][:, None] - world
    distance = eye.norm(dim=-1)
    facing = (normals * eye).sum(-1) / distance
    size = min(64, images.shape[-1])
    raster = rasterise(world, triangles, place.pose, size, fov_deg)
    nearest = F.grid_sample(
        raster.depth[:, None], grid, mode="nearest", align_corners=False, padding_mode="zeros"
    )[:, 0, 0]
    hit = (nearest > 0) & (plane.abs().amax(-1) < 1)
    # a pixel of slanted skin reaches behind its centre's depth
    slack = BEHIND + 2 * math.tan(math.radians(fov_deg) / 2) / size / facing.clamp(min=FACING)
    seen = (facing > FACING) & hit & (distance < nearest + slack)
    return colour[:, :, 0].mT, normals, seen


def observe(seen: tuple[Tensor, Tensor, Tensor], chosen: Tensor) -> Seen:
    """The chosen vertices [p] of what `look` found."""
    colour, normals, visible = (part[:, chosen] for part in seen)
    usable = visible & (colour.amax(-1) < SATURATED)
    return Seen(colour, normals, usable.float())


def _srgb_slope(code: Tensor) -> Tensor:
    """Linear light per code value at code values 0 to 1; no less than on the curve's straight
    part."""
    return torch.where(code <= 0.04045, 1 / 12.92, 2.4 / 1.055 * ((code + 0.055) / 1.055) ** 1.4)


def _colours(palette: Palette, albedo: Tensor) -> tuple[Tensor, Tensor]:
    """Colours [n, p, 3] and their derivative [n, p, 3, k] by the palette's coefficients."""
    units = torch.eye(palette.size)

    def along(unit: Tensor) -> Tensor:
        return torch.func.jvp(palette.colours, (albedo,), (unit.expand_as(albedo),))[1]

    slopes = torch.func.vmap(along)(units)
    return palette.colours(albedo), slopes.permute(1, 2, 3, 0)


def _linearise(seen: Seen, palette: Palette, phi: Tensor, basis: Tensor) -> tuple[Tensor, Tensor]:
    """Residuals [n, 3, p] in code values and their Jacobian [n, 3, p, k + 9] by what moves a colour
    channel: albedo, and that channel's light (see `_columns`); basis [n, p, 9]: shading of a white
    surface by each harmonic."""
    albedo, light = phi[:, : palette.size], phi[:, palette.size :]
    colours, slopes = _colours(palette, albedo)
    shading = basis @ light.unflatten(-1, (9, 3))
    lit = shading.clamp(min=0)
    scale = 1 / _srgb_slope(seen.colour)
    residual = (colours * lit - to_linear(seen.colour)) * scale
    by_albedo = slopes.transpose(1, 2) * (lit * scale).mT[..., None]
    factor = colours * scale * (shading > 0)
    by_light = factor.mT[..., None] * basis[:, None]
    return residual.mT, torch.cat([by_albedo, by_light], -1)


def _columns(channel: int, palette_size: int) -> Tensor:
    """Which of phi [n, k + 27] move a colour channel: all albedo, nine of the light."""
    light = torch.arange(palette_size + channel, palette_size + 27, 3)
    return torch.cat([torch.arange(palette_size), light])


def fit_colour(seen: Seen, palette: Palette, light: Gaussian) -> ColourFit:
    """Albedo and light of n heads; `palette` colours the p vertices that `seen` holds. Heads with
    fewer than FEWEST visible vertices come back with `finite` False."""
    size = palette.size
    mean = torch.cat([torch.zeros(size), light.mean.float()])
    precision = torch.block_diag(torch.eye(size), light.precision.float())
    basis = harmonics(seen.normals) * seen.normals.new_tensor(KERNEL)
    phi = mean.expand(len(seen.weight), -1)
    for _ in range(STEPS):
        residual, jacobian = _linearise(seen, palette, phi, basis)
        matrix, slope = _weighed(seen, residual, jacobian)
        matrix, slope = matrix + precision, slope + (phi - mean) @ precision
        factor, _ = torch.linalg.cholesky_ex(matrix)
        phi = phi - torch.cholesky_solve(slope[..., None], factor).squeeze(-1)
    residual, jacobian = _linearise(seen, palette, phi, basis)
    matrix, _ = _weighed(seen, residual, jacobian)
    factor, failed = torch.linalg.cholesky_ex(matrix + precision)
    count = seen.weight.sum(-1)
    error = _code_error(seen, palette, phi)
    usable = (failed == 0) & (count >= FEWEST) & phi.isfinite().all(-1)
    return ColourFit(
        phi[:, :size],
        phi[:, size:],
        torch.cholesky_inverse(factor).double(),
        (error.square().mean(-1) * seen.weight).sum(-1).div(count.clamp(min=1)).sqrt(),
        usable,
    )


def _weighed(seen: Seen, residual: Tensor, jacobian: Tensor) -> tuple[Tensor, Tensor]:
    """J^T W J [n, k + 27, k + 27] and J^T W r, weights after Cauchy: half where a vertex errs by
    OUTLIER. Channel by channel: two thirds of the whole Jacobian are zero."""
    error = residual.square().mean(1)
    weight = seen.weight / (1 + error / OUTLIER**2) / NOISE**2
    heavy = (jacobian * weight[:, None, :, None]).mT
    squares, pulls = heavy @ jacobian, (heavy @ residual[..., None]).squeeze(-1)
    size = jacobian.shape[-1] - 9
    matrix = jacobian.new_zeros(len(jacobian), size + 27, size + 27)
    slope = jacobian.new_zeros(len(jacobian), size + 27)
    for channel in range(3):
        own = _columns(channel, size)
        matrix[:, own[:, None], own] += squares[:, channel]
        slope[:, own] += pulls[:, channel]
    return matrix, slope


def _code_error(seen: Seen, palette: Palette, phi: Tensor) -> Tensor:
    """Error of the fitted colours in code values, [n, p, 3]."""
    light = phi[:, palette.size :].unflatten(-1, (9, 3))
    linear = palette.colours(phi[:, : palette.size]) * shade(seen.normals, light)
    return to_srgb(linear) - seen.colour
