"""The heads of a trained generator, for programs: `gof.load`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import trimesh
from PIL import Image
from torch import Tensor

from gof.models import pretrained as generators
from gof.models.pretrained import Pretrained
from gof.pictures.views import ViewRequest, render_views, to_uint8
from gof.run import machine
from gof.run.files import InputError
from gof.shapes.marching import head_mesh
from gof.shapes.settings import MeshSettings

TRUNCATION = 0.7  # as on sample sheets


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture, on the CPU. rgb, normal [3, r, r] in [-1, 1]: colours, and the outward normal in
    world space; depth [r, r]: the distance along each ray to the surface, camera radii; alpha
    [r, r] in [0, 1]: how much of a ray the head takes; hit [r, r]: where there is a surface, and
    depth and normal mean something."""

    rgb: Tensor
    depth: Tensor
    normal: Tensor
    alpha: Tensor
    hit: Tensor

    def image(self) -> Image.Image:
        """The colours as a picture."""
        return Image.fromarray(to_uint8(self.rgb))


@dataclass(frozen=True, slots=True)
class Heads:
    """Heads by seed: seed k is the same one here, on sample sheets, among meshes and in edits."""

    model: Pretrained

    @classmethod
    def load(cls, generator: str | Path, device: str = "auto") -> Heads:
        """generator: the name of one that comes along (heads-gof, heads-pigan, heads-cgof), or the
        generator.yaml of a training; device: auto, cpu or cuda. Raises InputError for a file that
        is missing or damaged, and for a GPU that is not there."""
        return cls(generators.load(Path(generator), machine.device(device)))

    def __call__(
        self,
        seed: int = 0,
        yaw: float = 0.0,
        pitch: float = 0.0,
        *,
        truncation: float = TRUNCATION,
        resolution: int | None = None,
        latent: Tensor | None = None,
    ) -> Picture:
        """A head from one side. yaw, pitch: radians, 0 in front; truncation: 0 the mean head, 1 as
        trained; resolution: pixels a side, None as trained; latent [latent]: instead of seed."""
        z = self.model.heads([seed]) if latent is None else latent[None]
        size = resolution or self.model.resolution
        pose = torch.tensor([[yaw, pitch]])
        seen = render_views(self.model, ViewRequest(z, pose, size, truncation, normals=True))
        return Picture(seen.rgb[0], seen.surface_t[0], seen.normal[0], seen.alpha[0], seen.hit[0])

    def latent(self, seed: int) -> Tensor:
        """What the head of a seed is made from, [latent]: to blend or change, and hand back."""
        return self.model.heads([seed])[0]

    def mesh(
        self, seed: int = 0, *, truncation: float = TRUNCATION, resolution: int = 128
    ) -> trimesh.Trimesh:
        """That of `gof mesh`: the largest piece of a head's surface with normals and colours, in
        camera radii; resolution: points a side of the cube it is sought in. Raises InputError where
        there is no surface."""
        own = MeshSettings(resolution=resolution, truncation=truncation)
        found = head_mesh(self.model, self.model.heads([seed]), own)
        if found is None:
            raise InputError(f"seed {seed}: the field has no surface in the meshed cube")
        return found[1]
