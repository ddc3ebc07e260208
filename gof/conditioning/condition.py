"""What a conditional model (cGOF) is asked for: conditions out of a pool."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from gof.data.manifest import Manifest, load_depth, load_images, load_split
from gof.rendering.interface import Guide
from gof.training.reals import Epochs


@dataclass(frozen=True, slots=True)
class Condition:
    """Conditions of a batch. face, other [n, d]: whitened coefficients, and the same with another
    expression; poses [n, 2]; landmarks [n, 68, 2] and landmarks_3d [n, 68, 3]; depth, other_depth
    [n, r^2] along the rays (0 beside the mesh) and flow [n, r^2, 3] from the other expression's
    surface to this one's; labels [n, R^2] and picture [n, 3, R^2], depth and image of the render at
    the pool's largest size."""

    face: Tensor
    other: Tensor
    poses: Tensor
    landmarks: Tensor
    landmarks_3d: Tensor
    depth: Tensor
    other_depth: Tensor
    flow: Tensor
    labels: Tensor
    picture: Tensor

    def __getitem__(self, rows: slice) -> Condition:
        return Condition(*(getattr(self, item.name)[rows] for item in fields(self)))

    @property
    def guide(self) -> Guide:
        """The mesh, for the sampler."""
        return Guide(self.depth, self.depth > 0)

    @property
    def other_guide(self) -> Guide:
        """The mesh with the other expression."""
        return Guide(self.other_depth, self.other_depth > 0)


class Pool:
    """Pre-rendered conditions in memory; sample number i of the run has a fixed one."""

    def __init__(self, manifest: Manifest, resolution: int, seed: int) -> None:
        largest = max(manifest.resolutions)
        arrays = {
            name: torch.from_numpy(array)
            for name, array in load_split(
                manifest,
                "train",
                ["z", "z_b", "pose", "landmarks", "landmarks_3d", f"flow_{resolution}"],
            ).items()
        }
        self._arrays = {
            "face": arrays["z"],
            "other": arrays["z_b"],
            "poses": arrays["pose"],
            "landmarks": arrays["landmarks"],
            "landmarks_3d": arrays["landmarks_3d"],
            "depth": load_depth(manifest, "train", resolution)[0].flatten(1),
            "other_depth": load_depth(manifest, "train", resolution, "depth_b")[0].flatten(1),
            "flow": arrays[f"flow_{resolution}"].flatten(1, 2),
            "labels": load_depth(manifest, "train", largest)[0].flatten(1),
            "picture": load_images(manifest, "train", largest).flatten(2),
        }
        self._seed = seed
        self._epochs: dict[str, Epochs] = {}

    @property
    def size(self) -> int:
        """Coefficients of a head."""
        return self._arrays["face"].shape[1]

    def __call__(self, rows: list[int], who: str, device: torch.device) -> Condition:
        """Conditions of samples `rows`; `who` tells the draws of the two updates apart."""
        order = self._epochs.setdefault(
            who, Epochs(len(self._arrays["face"]), self._seed, f"order of conditions, {who}")
        )
        numbers = order(rows)
        values = {name: array[numbers].to(device) for name, array in self._arrays.items()}
        values["flow"] = values["flow"].float()
        values["picture"] = values["picture"].float() / 127.5 - 1
        return Condition(**values)
