"""`gof show-control`: what obeying looks like. Factors swept with the others held, extracted meshes
beside the ones asked for, and one expression's field warped into another's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw
from scipy.spatial import cKDTree
from torch import Tensor
from tqdm import tqdm

from gof.experiment.config import Config
from gof.geometry.cameras import camera_rays
from gof.geometry.images import shrink
from gof.geometry.lighting import shade, studio_light
from gof.geometry.meshes import vertex_normals
from gof.geometry.raster import interpolate
from gof.geometry.shading import View, picture
from gof.models import pretrained as generators
from gof.models.pretrained import Pretrained
from gof.morphable.meshes import Meshes
from gof.morphable.model import HEAD_RADIUS
from gof.pictures.edits import Edit, meshes_of, swept
from gof.pictures.jobs import ShowControlJob
from gof.pictures.views import ViewRequest, render_views, to_uint8
from gof.rendering.query import Everywhere
from gof.rendering.render import render, render_moved
from gof.run.files import InputError, say, write_png
from gof.run.job import job
from gof.run.outputs import Writes
from gof.run.target import placed
from gof.shapes.marching import extract
from gof.shapes.sparse_grid import Grid

SWEEPS = (
    ("shape", "0"),
    ("shape", "1"),
    ("expression", "0"),
    ("expression", "1"),
    ("albedo", "0"),
    ("light", "0"),
    ("light", "1"),
    ("pose", "yaw"),
)
PICTURES = ("sweeps", "distances", "warping")
STEPS = 7  # columns of a sweep
HEADS, YAW = 4, 0.5  # of the figure of meshes; seen from the front and from here
PAIRS = 4
FAR = 0.05  # distance that saturates the colours of the meshes, head radii
BLENDS = 4  # points along an edge of a triangle that stand for its surface
STRONGER = 3.0  # factor on the differences of the figure of warping
MARGIN, LABEL = 92, 16  # left of the rows, above the columns; pixels
CLAY, WHITE = 0.62, (1.0, 1.0, 1.0)
# From no distance to FAR: white, yellow, red, dark (linear light).
HEAT = ((0.72, 0.72, 0.72), (0.95, 0.65, 0.05), (0.75, 0.06, 0.02), (0.12, 0.0, 0.05))


@dataclass(frozen=True, slots=True)
class Strip:
    """A row of a page: what it shows, and its images [n, 3, r, r] in [-1, 1]."""

    label: str
    images: Tensor


def page(heads: Sequence[str], strips: Sequence[Strip]) -> np.ndarray:
    """Rows of pictures with their labels and those of the columns: [height, width, 3] uint8."""
    size, columns = strips[0].images.shape[-1], max(len(strip.images) for strip in strips)
    sheet = Image.new("RGB", (MARGIN + columns * size, LABEL + len(strips) * size), "white")
    pen = ImageDraw.Draw(sheet)
    for column, head in enumerate(heads):
        pen.text((MARGIN + column * size + 4, 2), head, fill="black")
    for row, strip in enumerate(strips):
        top = LABEL + row * size
        pen.text((4, top + size // 2 - 6), strip.label, fill="black")
        for column, image in enumerate(to_uint8(strip.images)):
            sheet.paste(Image.fromarray(image), (MARGIN + column * size, top))
    return np.asarray(sheet)


def sweeps(model: Pretrained, meshes: Meshes, resolution: int) -> np.ndarray:
    """Each factor of one head from -2 to 2 standard deviations along a principal direction, the
    others held: the mesh that is asked for, and below it the field."""
    strips = []
    for factor, component in SWEEPS:
        latents, poses = swept(model, Edit(factor, component, None, STEPS, 0), meshes.statistics)
        name = f"{component} ±0.5 rad" if factor == "pose" else f"{factor} {component}"
        request = ViewRequest(latents, poses, resolution, 1.0, f"sweep of {name}")
        mesh = meshes.pictures(latents, poses, resolution)
        strips += [Strip(name, mesh), Strip("generated", render_views(model, request).rgb)]
    values = torch.linspace(-2, 2, STEPS).tolist()
    return page([f"{value:+.1f}" if round(value, 1) else "0" for value in values], strips)


def surface_points(vertices: Tensor, triangles: Tensor) -> Tensor:
    """A dense, even set of points on every triangle of a mesh [v, 3]: [triangles x k, 3]."""
    steps = torch.arange(BLENDS) / (BLENDS - 1)
    a, b = (grid.flatten() for grid in torch.meshgrid(steps, steps, indexing="ij"))
    inside = a + b <= 1 + 1e-6
    shares = torch.stack([a, b, 1 - a - b], -1)[inside]
    return torch.einsum("kc,fcx->fkx", shares, vertices[triangles]).flatten(0, 1)


def heat(distance: Tensor) -> Tensor:
    """Colours [n, 3], linear light, of distances [n] in head radii; HEAT's last from FAR on."""
    stops = distance.new_tensor(HEAT)
    at = (distance / FAR).clamp(0, 1) * (len(HEAT) - 1)
    low = at.floor().long().clamp(max=len(HEAT) - 2)
    return torch.lerp(stops[low], stops[low + 1], (at - low)[:, None])


def _clay(mesh: tuple[Tensor, Tensor], colours: Tensor, view: View, size: int) -> Tensor:
    """A mesh (vertices [v, 3], triangles) with vertex colours [v, 3] seen from n poses: [n, 3,
    size, size] in [-1, 1]."""
    vertices = mesh[0][None].expand(len(view.poses), -1, -1)
    light = shade(vertex_normals(vertices, mesh[1]), studio_light(len(view.poses)))
    image = picture(vertices, mesh[1], colours * light, view, 2 * size)
    return shrink(image, size).permute(0, 3, 1, 2) * 2 - 1


def mesh_figure(
    model: Pretrained, meshes: Meshes, config: Config
) -> tuple[np.ndarray, list[float]]:
    """Meshes that are asked for, those extracted from the raw field, and these with their distance
    to the former painted on; and the root mean square of that distance, head radii."""
    size = 2 * config.samples.size(model.resolution)
    view = View(torch.tensor([[0.0, 0.0], [YAW, 0.0]]), meshes.camera.fov_deg, WHITE)
    grid = Grid(config.meshes.resolution, config.meshes.side)
    latents = meshes.layout.draw(0, "figures", range(HEADS))
    strips, found = [], []
    for z in tqdm(latents, desc="meshes", disable=None):
        asked = (meshes.vertices(z[None])[0], meshes.head.triangles)
        surface = extract(model.bind(z[None], 1.0), grid, model.settings.level)
        if surface is None:
            say("warning: a field has no surface in the meshed cube: left out of the figure")
            continue
        made = (torch.from_numpy(surface.vertices), torch.from_numpy(surface.faces).long())
        tree = cKDTree(surface_points(*asked).numpy())
        distance = torch.from_numpy(tree.query(surface.vertices)[0]).float() / HEAD_RADIUS
        found.append(float(distance.square().mean().sqrt()))
        plain = (_clay(m, torch.full_like(m[0], CLAY), view, size) for m in (asked, made))
        images = torch.cat([*plain, _clay(made, heat(distance), view, size)])
        strips.append(Strip(f"rms {found[-1]:.3f}", images))
    if not strips:
        raise InputError("no field has a surface in the meshed cube: train longer")
    heads = ("asked for", "", "extracted", "", f"distance, dark from {FAR}", "")
    return page(heads, strips), found


@torch.no_grad()
def warping_figure(model: Pretrained, meshes: Meshes, resolution: int) -> np.ndarray:
    """Heads with two expressions: both fields, the first seen through the displacement of the
    meshes, and what then still differs from the second."""
    layout, settings = meshes.layout, model.settings
    first = layout.draw(0, "warped heads", range(PAIRS))
    second = first.clone()
    other = layout.draw(0, "other expressions", range(PAIRS))
    second[:, layout.place("expression")] = other[:, layout.place("expression")]
    poses = torch.zeros(1, 2)
    rays = camera_rays(poses, resolution, model.camera.fov_deg)
    strips = []
    for number, (a, b) in enumerate(zip(first.split(1), second.split(1), strict=True)):
        shift = interpolate(
            meshes.raster(b, poses, resolution), meshes.vertices(a) - meshes.vertices(b)
        )
        field_a, field_b = model.bind(a, 1.0), model.bind(b, 1.0)
        there = render(field_b, rays, settings, ask=Everywhere)
        warped = render_moved(field_a, rays, there, settings, shift.flatten(1, 2))
        here = render(field_a, rays, settings)
        square = (resolution, resolution)
        shown = [view.rgb.mT.unflatten(-1, square) for view in (here, there, warped)]
        apart = [(shown[k] - shown[1]).abs() * STRONGER - 1 for k in (0, 2)]
        strips.append(Strip(f"head {number}", torch.cat([*shown, *apart])))
    heads = ("expression A", "expression B", "A warped to B", "|A - B| x 3", "|warped - B| x 3")
    return page(heads, strips)


def run_show_control(config: Config, wanted: ShowControlJob) -> None:
    """Write sweeps.png, distances.png and warping.png beside the record. Raises
    InputError for a generator that no coefficients condition."""
    inputs = {
        "generator": wanted.generator,
        "head_model": wanted.head_model,
        "statistics": wanted.statistics,
    }
    out = placed(wanted.out, "control.json")
    pictures = {name: out.with_name(f"{name}.png") for name in PICTURES}
    writes = Writes(beside=tuple(pictures.values()))
    own = config.scoped(config.only("samples", "meshes"))
    with job(out, "show-control", own, inputs, writes) as running:
        model = generators.load(wanted.generator)
        layout = generators.layout_of(model, wanted.generator)
        meshes = meshes_of(model, layout, (wanted.head_model, wanted.statistics))
        resolution = 2 * config.samples.size(model.resolution)
        distances, found = mesh_figure(model, meshes, config)
        drawn = {
            "sweeps": sweeps(model, meshes, resolution),
            "distances": distances,
            "warping": warping_figure(model, meshes, resolution),
        }
        for name, sheet in drawn.items():
            write_png(pictures[name], sheet)
            running.artifact(pictures[name])
        running.numbers = {"mesh_distance": found}
