"""A source of portraits that obeys as far as it is told to, and a judge that reads its mind."""

from dataclasses import dataclass
from types import SimpleNamespace

import torch

from gof.metrics.portraits import Portraits, Request
from gof.morphable.meshes import Meshes

METRICS = {
    "seeds": [0, 1],
    "disentanglement": {"subjects": 6, "variations": 4, "resolution": 16},
    "shape": {"heads": 5, "resolution": 48, "coarse": 24},
    "landmarks": {"pairs": 12, "resolution": 16},
}


@dataclass(frozen=True)
class Telepath:
    """Writes into the pixels what the judge is to read: the truth about those asked for, or, where
    it does not listen, about others; and its depth is that of the mesh, moved away by `push`."""

    meshes: Meshes
    name: str = "telepath"
    psi: float = 1.0
    listens: bool = True
    leak: float = 0.0
    push: float = 0.0
    empty: bool = False

    def _heard(self, request: Request) -> torch.Tensor:
        return self.psi * (request.latents if self.listens else request.latents.roll(3, 0).neg())

    def portraits(self, request: Request) -> Portraits:
        z = self._heard(request)
        plane, _ = self.meshes.landmarks(z, request.poses)
        face = self.meshes.layout.face(z)
        face = face + self.leak * face.mean(-1, keepdim=True)
        told = torch.cat([face, request.poses, plane.flatten(1)], -1)
        r = request.resolution
        rgb = torch.zeros(len(z), 3 * r * r)
        rgb[:, : told.shape[1]] = told
        seen = self.meshes.raster(z, request.poses, r)
        return Portraits(rgb.view(-1, 3, r, r), seen.depth, seen.mask)

    def surfaces(self, request: Request, coarse: int) -> tuple[torch.Tensor, torch.Tensor]:
        seen = self.meshes.raster(self._heard(request), request.poses, request.resolution)
        return seen.depth + self.push, seen.mask & torch.tensor(not self.empty)


def judge(images: torch.Tensor) -> SimpleNamespace:
    told, d = images.flatten(1), 34
    z, pose, marks = told[:, :d], told[:, d : d + 2], told[:, d + 2 : d + 138]
    return SimpleNamespace(z=z, pose=pose, landmarks=marks.view(-1, 68, 2))


def values(numbers: dict) -> dict[tuple[str, str], float]:
    return {(row["model"], row["metric"]): row["value"] for row in numbers["rows"]}
