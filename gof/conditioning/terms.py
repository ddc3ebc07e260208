"""The losses that hold a conditional model to its 3DMM, on the batches of training."""

from __future__ import annotations

import torch
from torch import Tensor

from gof.conditioning.condition import Condition
from gof.conditioning.settings import Conditions
from gof.fields.field import Field
from gof.geometry.cameras import pixel_grid, plane_rays
from gof.geometry.settings import Camera
from gof.losses import conditional as losses
from gof.models.generator import Generator
from gof.morphable.coefficients import BLOCKS, Layout
from gof.morphable.landmarks import FIRST_INNER
from gof.readers.interface import Reading
from gof.rendering.interface import Guide
from gof.rendering.query import Everywhere
from gof.rendering.render import render, render_moved
from gof.run.rng import Streams
from gof.training.fakes import Fakes

POINTS = 4  # labelled places on a ray of the warm start
ABOUT = 0.06  # standard deviation of labelled rays about a landmark, image half-widths


def label_terms(
    conditions: Conditions, field: Field, condition: Condition, camera: Camera, streams: Streams
) -> dict[str, Tensor]:
    """Labels of the mesh on random rays: occupancy before and behind it, colour on it."""
    chosen = _labelled_pixels(conditions, condition, streams)
    size = round(condition.labels.shape[1] ** 0.5)
    plane = pixel_grid(size, chosen.device)[chosen]
    rays = plane_rays(plane, condition.poses, camera.fov_deg)
    depth = condition.labels.gather(1, chosen)
    guide = Guide(depth, depth > 0)
    t, occupied = losses.labelled_samples(guide, camera.near, camera.far, POINTS, streams)
    logits = field.logits(rays.at(t).flatten(1, 2)).reshape(t.shape)
    on_mesh = rays.at(depth[..., None]).squeeze(2)
    colour, _ = field.radiance(on_mesh, rays.directions)
    wanted = condition.picture.gather(2, chosen[:, None].expand(-1, 3, -1)).mT
    apart = (colour - wanted).abs().mean(-1)
    shown = (apart * guide.mask).sum() / guide.mask.sum().clamp_min(1)
    return {"geometric": losses.geometric_term(logits, occupied), "colour": shown}


def _labelled_pixels(conditions: Conditions, condition: Condition, streams: Streams) -> Tensor:
    """Numbers [n, rays] of the pixels that lend their labels: some about inner landmarks, where
    expressions show, the others anywhere."""
    size = round(condition.labels.shape[1] ** 0.5)
    close = round(conditions.geometric_rays * conditions.landmark_rays)
    anywhere = (streams.uniform(conditions.geometric_rays - close) * size**2).long()
    marks = condition.landmarks[:, FIRST_INNER:]
    which = (streams.uniform(close) * marks.shape[1]).long()
    points = marks.gather(1, which[..., None].expand(-1, -1, 2))
    points = points + ABOUT * streams.normal(close, 2)
    upright = points * points.new_tensor([1.0, -1.0])  # rows count downwards
    column, row = ((1 + upright) / 2 * size).long().clamp(0, size - 1).unbind(-1)
    return torch.cat([anywhere, row * size + column], 1)


def shape_terms(fakes: Fakes) -> dict[str, Tensor]:
    """What keeps the rendered weight at the mesh, and nothing before it."""
    out, settings, guide = fakes.out, fakes.settings, fakes.drawn.condition.guide
    square = fakes.images.shape[-2:]
    depth, mask = (value.unflatten(-1, square) for value in (out.depth, guide.mask))
    world_z = fakes.rays.at(out.t)[..., 2]
    return {
        "distance": losses.distance_term(out.weights, out.t, guide, settings.half_width),
        "background": losses.background_term(out, world_z, guide, settings.near),
        "depth_smoothness": losses.depth_smoothness(depth, mask),
    }


def reading_terms(
    reading: Reading, sizes: dict[str, int], fakes: Fakes, fov_deg: float
) -> dict[str, Tensor]:
    """What the teacher reads in the images, against what was asked for; sizes of the blocks of
    coefficients."""
    condition = fakes.drawn.condition
    depth = fakes.out.depth.unflatten(-1, fakes.images.shape[-2:])
    flat, lifted = losses.landmark_terms(
        reading.landmarks,
        condition.landmarks,
        condition.landmarks_3d,
        depth,
        (condition.poses, fov_deg),
    )
    blocks = [sizes[name] for name in BLOCKS]
    return {
        "reconstruction": losses.reconstruction(reading.z, condition.face, blocks),
        "landmarks_2d": flat,
        "landmarks_3d": lifted,
    }


def warping_terms(
    layout: Layout, generator: Generator, fakes: Fakes, some: Condition, guide: Guide | None
) -> dict[str, Tensor]:
    """Heads with two expressions: the field of this one, seen through the displacement of the
    meshes, against the field of the other (method-cgof 3.9).

    some: conditions of the first images, those that are warped; guide: the other's, where samples
    lie around a mesh.
    """
    rows, settings, mesh = slice(0, len(some.face)), fakes.settings, some.other_guide
    rays = fakes.rays[rows]
    here = fakes.drawn.latents[rows]
    there = layout.latent(some.other, layout.loose(here))
    field = generator.bind(generator.style(there))
    out = render(field, rays, settings, fakes.drawn.streams[rows], guide, Everywhere)
    field = generator.bind(generator.style(here))
    warped = render_moved(field, rays, out, settings, some.flow)
    shell = mesh.mask[..., None] & ((out.t - mesh.depth[..., None]).abs() <= settings.half_width)
    # What only this expression covers has no partner in the other's picture.
    kept = ~(some.guide.mask & ~mesh.mask)
    square = fakes.images.shape[-2:]
    seen, moved = (view.rgb.mT.unflatten(-1, square) for view in (out, warped))
    pixels = losses.warping_image_term(seen, moved, kept.unflatten(-1, square))
    volume = losses.warping_volume_term(
        (out.logits, out.colours), (warped.logits, warped.colours), shell
    )
    return {"warping": pixels + volume}
