"""Losses that hold a generator to a 3DMM (cGOF section 3; definitions of method-cgof 3 and 8.1).

Rays [n, rays], samples [n, rays, samples]; distances along rays in camera radii. A guide gives the
mesh's depth and whether a ray meets it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from gof.geometry.cameras import plane_rays
from gof.geometry.images import blur
from gof.morphable.landmarks import FIRST_INNER
from gof.rendering.interface import Guide, RenderOutput
from gof.run.rng import Streams

SHARPNESS = 20.0  # of the distance term, per camera radius
# Where the warm start looks: so far from the surface (standard deviation), at most so deep inside,
# and this share of the free points anywhere before it (cpu measurements of cGOF's warm start).
NEAR_SURFACE, DEEPEST, AFAR = 0.012, 0.03, 0.3
BLUR_REACH, BLUR_SIGMA = 2, 2.0  # pixels, of the images that warping compares


def _mean_over(values: Tensor, chosen: Tensor) -> Tensor:
    """Mean of values where chosen; 0, with a graph, where nothing is."""
    return (values * chosen).sum() / chosen.sum().clamp_min(1)


def distance_term(weights: Tensor, t: Tensor, guide: Guide, half_width: float) -> Tensor:
    """Mean over samples of face rays of w (exp(20 e) - 1), e the distance beyond the shell of
    half_width around the mesh (equation of L_dist). Its gradient reaches the weights alone."""
    beyond = ((t - guide.depth[..., None]).abs() - half_width).relu().detach()
    cost = weights * torch.expm1(SHARPNESS * beyond)
    return _mean_over(cost, guide.mask[..., None].expand_as(cost))


def background_term(out: RenderOutput, world_z: Tensor, guide: Guide, near: float) -> Tensor:
    """What floats before the face beside it: on rays that miss the mesh, weight nearer to the
    camera than the face less a tenth of its way, and weight further forward in the world than the
    face's foremost point; each by how far, a mean over the samples that offend.

    world_z [n, rays, samples].
    """
    off, on = ~guide.mask[..., None], guide.mask[..., None]
    nearest = torch.where(guide.mask, guide.depth, torch.inf).amin(1)
    limit = near + 0.9 * (nearest - near)
    before = (limit[:, None, None] - out.t).relu().nan_to_num(posinf=0.0).detach()
    foremost = torch.where(on, world_z, -torch.inf).amax((1, 2))
    forward = (world_z - foremost[:, None, None]).relu().nan_to_num(posinf=0.0).detach()
    terms = [_mean_over(out.weights * far, off & (far > 0)) for far in (before, forward)]
    return terms[0] + terms[1]


def depth_smoothness(depth: Tensor, mask: Tensor) -> Tensor:
    """Mean squared step of depth [n, r, r] to the right and down, plus that over the pixels off
    the mask alone: their geometry has no other hold."""
    corner = depth[:, :-1, :-1]
    steps = (corner - depth[:, :-1, 1:]).square() + (corner - depth[:, 1:, :-1]).square()
    return steps.mean() + _mean_over(steps, ~mask[:, :-1, :-1])


def reconstruction(read: Tensor, z: Tensor, sizes: list[int]) -> Tensor:
    """Mean over the blocks of the mean absolute error of whitened coefficients [n, sum(sizes)]."""
    parts = (read - z).abs().split(sizes, dim=-1)
    return torch.stack([part.mean() for part in parts]).mean()


def lift(points: Tensor, depth: Tensor, view: tuple[Tensor, float]) -> Tensor:
    """Points of the image plane [n, k, 2] moved into the world, [n, k, 3], by the depth along rays
    [n, r, r] under them, bilinear. view: poses [n, 2] and the angle of view in degrees."""
    poses, fov_deg = view
    grid = points[:, None] * points.new_tensor([1.0, -1.0])  # rows count downwards
    under = F.grid_sample(depth[:, None], grid, padding_mode="border", align_corners=False)
    return plane_rays(points, poses, fov_deg).at(under[:, 0, 0, :, None]).squeeze(2)


def landmark_terms(
    read: Tensor, wanted: Tensor, wanted_3d: Tensor, depth: Tensor, view: tuple[Tensor, float]
) -> tuple[Tensor, Tensor]:
    """Mean absolute error of landmarks read from the image against those of the mesh: on the image
    plane [n, 68, 2], and in the world [n, 68, 3], where each is lifted by the rendered depth [n, r,
    r] under it. view: poses [n, 2] and the angle of view in degrees. The contour has no depth term.
    """
    flat = (read - wanted).abs().mean()
    lifted = lift(read[:, FIRST_INNER:], depth, view)
    return flat, (lifted - wanted_3d[:, FIRST_INNER:]).abs().mean()


def charbonnier(a: Tensor, b: Tensor) -> Tensor:
    """A smooth absolute difference, zero where both agree."""
    return ((a - b).square() + 1e-8).sqrt() - 1e-4


def warping_image_term(image: Tensor, warped: Tensor, kept: Tensor) -> Tensor:
    """Mean difference of blurred images [n, 3, r, r] over the pixels kept, bool [n, r, r]."""
    apart = charbonnier(*(blur(view, BLUR_SIGMA, BLUR_REACH) for view in (image, warped))).mean(1)
    return _mean_over(apart, kept)


def warping_volume_term(
    samples: tuple[Tensor, Tensor], warped: tuple[Tensor, Tensor], shell: Tensor
) -> Tensor:
    """Mean difference of occupancy and of colour in [-1, 1], halved, over the samples of the shell,
    bool [n, rays, samples]. Both given as (logits [n, rays, samples], colours [n, rays, samples,
    3])."""
    (logits, colours), (warped_logits, warped_colours) = samples, warped
    apart = charbonnier(logits.sigmoid(), warped_logits.sigmoid())
    apart = apart + charbonnier(colours, warped_colours).mean(-1) / 2
    return _mean_over(apart, shell)


def labelled_samples(
    guide: Guide, near: float, far: float, points: int, streams: Streams
) -> tuple[Tensor, Tensor]:
    """Places on rays with their label: t [n, rays, points] and occupied, bool.

    On rays that meet the mesh half of the points lie just behind it (occupied), the others before
    it; rays that miss it are free everywhere.
    """
    shape = (guide.depth.shape[1], points)
    offset = (streams.normal(*shape) * NEAR_SURFACE).abs()
    draw = streams.uniform(*shape, 3)
    depth = guide.depth[..., None].clamp(near, far)
    behind = draw[..., 0] < 0.5
    anywhere = draw[..., 1] < AFAR
    free = torch.where(anywhere, near + draw[..., 2] * (depth - near), depth - offset)
    on_face = torch.where(behind, depth + offset.clamp(max=DEEPEST), free.clamp_min(near))
    met = guide.mask[..., None]
    t = torch.where(met, on_face, near + draw[..., 2] * (far - near))
    return t, met & behind


def geometric_term(logits: Tensor, occupied: Tensor) -> Tensor:
    """Cross-entropy of occupancy with its label, over all labelled points."""
    return F.binary_cross_entropy_with_logits(logits, occupied.float())
