"""Pictures of a generator: views, sample sheets, turntables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from gof.experiment.config import Config
from gof.fields.field import Field
from gof.geometry.cameras import Rays
from gof.geometry.images import stacked
from gof.geometry.lighting import shade, studio_light
from gof.models import pretrained as generators
from gof.models.pretrained import Pretrained
from gof.models.seeds import seeds_of
from gof.pictures.jobs import SamplesJob
from gof.pictures.settings import Samples
from gof.pictures.video import MILLISECONDS, encoded
from gof.rendering.render import render
from gof.rendering.surface import normals
from gof.rendering.surface_image import surface_image
from gof.run import machine
from gof.run.files import atomic_write, write_png
from gof.run.job import job
from gof.run.memory import in_parts
from gof.run.outputs import Writes
from gof.run.target import placed

RAYS = 2**14  # of images that are rendered together
CLAY = 0.85  # albedo


@dataclass(frozen=True, slots=True)
class Views:
    """Rendered views: rgb, normal [n, 3, r, r] in [-1, 1]; depth, alpha, surface_t [n, r, r]; hit
    [n, r, r]; poses [n, 2].

    normal is the world-space outward normal at the first crossing, zero where there is none or when
    not asked for.
    """

    rgb: Tensor
    depth: Tensor
    alpha: Tensor
    surface_t: Tensor
    hit: Tensor
    normal: Tensor
    poses: Tensor

    def normal_picture(self) -> Tensor:
        """Normals as pictures, white where there is no surface."""
        return torch.where(self.hit[:, None], self.normal, 1.0)


@dataclass(frozen=True, slots=True)
class ViewRequest:
    """Which views: latents [n, latent], poses [n, 2]; label names the progress bar; normals cost a
    gradient; quick: one colour a ray, at the surface (`gof.rendering.surface_image`); fov_deg: full
    angle of view, None for the model's own."""

    latents: Tensor
    poses: Tensor
    resolution: int
    truncation: float
    label: str = ""
    normals: bool = False
    quick: bool = False
    fov_deg: float | None = None


@torch.no_grad()
def render_views(model: Pretrained, request: ViewRequest) -> Views:
    """Render views without jitter, small ones some together."""
    some = 1 if request.normals else max(1, RAYS // request.resolution**2)
    parts = list(zip(request.latents.split(some), request.poses.split(some), strict=True))
    seen = []
    for z, poses in tqdm(parts, desc=request.label, disable=None if request.label else True):
        field = model.bind(z, request.truncation)
        seen.append(field_views(model, field, replace(request, latents=z, poses=poses)))
    return Views(*(torch.cat([getattr(one, part.name) for one in seen]) for part in fields(Views)))


@torch.no_grad()
def field_views(model: Pretrained, field: Field, request: ViewRequest) -> Views:
    """The views of a request whose latents are bound to a field already."""
    r, settings = request.resolution, model.settings

    def look(rays: Rays) -> tuple[Tensor, ...]:
        if request.quick:
            rgb, surface_t = surface_image(field, rays, settings)
            hit = surface_t < settings.far
            depth, alpha = surface_t, hit.to(rgb.dtype)
        else:
            out = render(field, rays, settings)
            rgb, depth, alpha = out.rgb, out.depth, out.alpha
            surface_t, hit = out.surface_t, out.hit
        normal = torch.zeros_like(rays.directions)
        if request.normals:
            at = rays.at(surface_t[..., None]).squeeze(2)[hit]
            normal[hit] = normals(field, at[None])[0]
        return rgb, depth, alpha, surface_t, hit, normal

    rays = model.rays(request.poses, r, request.fov_deg)
    image = in_parts(look, rays, dim=1)
    square = ((x.mT if x.dim() == 3 else x).unflatten(-1, (r, r)).cpu() for x in image)
    rgb, depth, alpha, surface_t, hit, normal = square
    return Views(rgb, depth, alpha, surface_t, hit, normal, request.poses)


def to_uint8(rgb: Tensor) -> np.ndarray:
    """[..., 3, h, w] in [-1, 1] -> [..., h, w, 3] in 0 to 255."""
    scaled = ((rgb.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return scaled.movedim(-3, -1).numpy()


def depth_picture(depth: Tensor, mask: Tensor) -> Tensor:
    """Depth [n, r, r] as grey [n, 3, r, r] in [-1, 1], near is light, each image over its own
    range; white where the mask is off."""
    picture = torch.ones_like(depth)
    for grey, t, seen in zip(picture, depth, mask, strict=True):
        if seen.any():  # but for the rims, which would take most of the greys
            low, high = t[seen].quantile(t.new_tensor([0.0, 0.9]))
            grey[seen] = (0.9 - 1.6 * (t[seen] - low) / (high - low).clamp(min=1e-6)).clamp(min=-1)
    return picture[:, None].expand(-1, 3, -1, -1)


def shaded_picture(normal: Tensor, mask: Tensor) -> Tensor:
    """The shape alone, as matt clay under the light of a studio, by its normals [n, 3, r, r]:
    [n, 3, r, r] in [-1, 1]; white where the mask is off."""
    lit = shade(normal.flatten(2).mT, studio_light(len(normal))).mT.unflatten(2, normal.shape[2:])
    return torch.where(mask[:, None], (CLAY * lit * 2 - 1).clamp(-1, 1), 1.0)


def sheet(rows: list[Tensor]) -> np.ndarray:
    """Rows of images [n, 3, r, r] in [-1, 1] as one picture [height, width, 3] uint8."""
    return stacked([to_uint8(row) for row in rows])


def sample_sheet(
    model: Pretrained, s: Samples, label: str, seeds: Sequence[int] | None = None
) -> np.ndarray:
    """Heads in columns, the first ones without seeds; for each yaw a row of colours, of shaded
    shapes, of depths and of normals."""
    latents = model.heads(seeds or range(s.latents))
    rows = []
    for yaw in s.yaws:
        poses = torch.tensor([[yaw, s.pitch]]).expand(len(latents), 2)
        size = s.size(model.resolution)
        request = ViewRequest(latents, poses, size, s.truncation, label, normals=True)
        seen = render_views(model, request)
        shaded = shaded_picture(seen.normal, seen.hit)
        depth = depth_picture(seen.surface_t, seen.hit)
        rows += [seen.rgb, shaded, depth, seen.normal_picture()]
    return sheet(rows)


def turntable(
    model: Pretrained, s: Samples, seeds: Sequence[int] | None = None
) -> list[np.ndarray]:
    """Frames of the same heads swinging from side to side: colours above normals."""
    latents = model.heads(seeds or range(s.latents))
    frames = []
    for phase in torch.arange(s.turntable_frames) / s.turntable_frames * 2 * torch.pi:
        yaw = s.turntable_yaw * float(phase.sin())
        poses = torch.tensor([[yaw, s.pitch]]).expand(len(latents), 2)
        size = s.size(model.resolution)
        request = ViewRequest(latents, poses, size, s.truncation, normals=True)
        seen = render_views(model, request)
        frames.append(sheet([seen.rgb, seen.normal_picture()]))
    return frames


def run_samples(config: Config, wanted: SamplesJob) -> None:
    """Write what `wanted.out` names, and a record beside it: the sheet, the turntable, or, as
    sheet.png and turntable.gif, both."""
    out = placed(wanted.out, "samples.json", ".png", ".gif")
    sheet_file = {".json": out.with_name("sheet.png"), ".png": out}.get(out.suffix)
    gif_file = {".json": out.with_name("turntable.gif"), ".gif": out}.get(out.suffix)
    files = tuple(file for file in (sheet_file, gif_file) if file is not None)
    record, inputs = out.with_suffix(".json"), {"generator": wanted.generator}
    config = config.told("samples", wanted, "truncation", "resolution")
    s, seeds = config.samples, seeds_of(wanted.seeds) if wanted.seeds else None
    own = config.scoped(config.only("samples"))
    with job(record, "samples", own, inputs, Writes(beside=files)) as running:
        model = generators.load(wanted.generator, machine.device())
        if sheet_file is not None:
            write_png(sheet_file, sample_sheet(model, s, "sample sheet", seeds))
        if gif_file is not None:
            atomic_write(gif_file, encoded(turntable(model, s, seeds), ".gif", MILLISECONDS))
        running.numbers = {"seeds": seeds or list(range(s.latents)), "yaws": list(s.yaws)}
        for file in files:
            running.artifact(file)
