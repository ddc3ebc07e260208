"""The meshes that latents of a conditional generator ask for: their shape, their landmarks, their
pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from gof.geometry.cameras import project
from gof.geometry.lighting import shade
from gof.geometry.meshes import vertex_normals
from gof.geometry.raster import Raster, rasterise
from gof.geometry.settings import Camera
from gof.geometry.shading import View, pictures
from gof.morphable.coefficients import Coefficients, Layout, Statistics
from gof.morphable.directions import described
from gof.morphable.model import MorphableModel
from gof.run.files import InputError

Colour = tuple[float, float, float]


def vertex_radiance(model: MorphableModel, vertices: Tensor, head: Coefficients) -> Tensor:
    """Linear light [n, v, 3] that the vertices send back."""
    normals = vertex_normals(vertices, model.triangles)
    return model.colours(head.albedo) * shade(normals, head.light.unflatten(-1, (9, 3)))


def load_pair(model_path: Path, statistics_path: Path) -> tuple[MorphableModel, Statistics]:
    """The head model and the statistics of its coefficients, described by it. Raises InputError
    where their sizes differ."""
    model, statistics = MorphableModel.load(model_path), Statistics.load(statistics_path)
    zero = Coefficients(*(torch.zeros(1, size) for size in statistics.sizes.values()))
    try:
        model.vertices(zero.identity, zero.expression)
        model.colours(zero.albedo)
        zero.light.unflatten(-1, (9, 3))
    except RuntimeError:
        raise InputError(
            f"{statistics_path}: coefficients of another head model than {model_path}: fit again"
        ) from None
    return model, described(model, statistics)


@dataclass(frozen=True, slots=True)
class Meshes:
    """The meshes that latents of a layout ask for, before a camera."""

    head: MorphableModel
    statistics: Statistics
    layout: Layout
    camera: Camera
    background: Colour  # 0 to 1

    @classmethod
    def read(
        cls, files: tuple[Path, Path], layout: Layout | None, camera: Camera, background: Colour
    ) -> Meshes:
        """From the files of the head model and of its coefficients' statistics; without a layout,
        that of the coefficients alone. Raises InputError for files that do not fit."""
        head, statistics = load_pair(*files)
        free = {"free_geometry": 0, "free_texture": 0}
        layout = layout or Layout(statistics.sizes | free)
        statistics.check(layout, files[1])
        return cls(head, statistics, layout, camera, background)

    def coefficients(self, latents: Tensor) -> Coefficients:
        """What latents [n, total] ask for."""
        return self.statistics.unwhiten(self.layout.face(latents))

    def vertices(self, latents: Tensor) -> Tensor:
        """[n, v, 3] in camera radii."""
        asked = self.coefficients(latents)
        return self.head.vertices(asked.identity, asked.expression)

    def landmarks(self, latents: Tensor, poses: Tensor) -> tuple[Tensor, Tensor]:
        """On the image plane [n, 68, 2], and in the world [n, 68, 3]."""
        world = self.vertices(latents)[:, self.head.landmarks]
        return project(world, poses, self.camera.fov_deg)[0], world

    def raster(self, latents: Tensor, poses: Tensor, resolution: int) -> Raster:
        """The meshes at the pixel centres."""
        vertices, triangles = self.vertices(latents), self.head.triangles
        return rasterise(vertices, triangles, poses, resolution, self.camera.fov_deg)

    def face(self, seen: Raster) -> Tensor:
        """Pixels of a raster that see the face proper, bool [n, r, r]."""
        proper = self.head.face[self.head.triangles].all(-1)
        return seen.mask & proper[seen.triangle_id.clamp_min(0)]

    def pictures(self, latents: Tensor, poses: Tensor, resolution: int) -> Tensor:
        """Renders [n, 3, r, r] in [-1, 1], lit and coloured as the data set is."""
        asked, vertices = self.coefficients(latents), self.vertices(latents)
        view = View(poses, self.camera.fov_deg, self.background)
        light = vertex_radiance(self.head, vertices, asked)
        image = pictures(vertices, self.head.triangles, light, view, (resolution,))[resolution]
        return image.permute(0, 3, 1, 2).float() / 127.5 - 1
