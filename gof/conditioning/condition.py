"""What a conditional model (cGOF) is asked for: conditions out of a pool."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from gof.data.ahead import Ahead
from gof.data.manifest import Manifest
from gof.data.reader import Reader, decode_depth
from gof.rendering.interface import Guide
from gof.training.reals import Epochs, ready


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


Batch = tuple[tuple[int, ...], str, torch.device]  # samples, whose draws they are, where they go


class Pool:
    """Pre-rendered conditions, read for each batch; sample number i of the run has a fixed one."""

    def __init__(self, manifest: Manifest, resolution: int, seed: int) -> None:
        self._reader = Reader(manifest, "train")
        self._arrays = _stored_as(resolution, max(manifest.resolutions))
        self._seed = seed
        self._epochs: dict[str, Epochs] = {}
        self.ahead = Ahead[Batch, dict[str, Tensor]](self._load)
        self._reader.verify()
        self._reader.read(list(self._arrays.values()), [])  # what is missing is said now

    @property
    def size(self) -> int:
        """Coefficients of a head."""
        return self._reader.shape("z")[0]

    def announce(self, rows: list[int], who: str, device: torch.device) -> None:
        """Say that these samples come next."""
        self.ahead.announce((tuple(rows), who, device))

    def __call__(self, rows: list[int], who: str, device: torch.device) -> Condition:
        """Conditions of samples `rows`; `who` tells the draws of the two updates apart."""
        arrays = self.ahead((tuple(rows), who, device))
        values = {name: array.to(device, non_blocking=True) for name, array in arrays.items()}
        values["flow"] = values["flow"].float()
        values["picture"] = values["picture"].float() / 127.5 - 1
        return Condition(**values)

    def _load(self, batch: Batch) -> dict[str, Tensor]:
        rows, who, device = batch
        order = self._epochs.setdefault(
            who, Epochs(len(self._reader), self._seed, f"order of conditions, {who}")
        )
        stored = self._reader.read(list(dict.fromkeys(self._arrays.values())), order(list(rows)))
        found = {}
        for name, source in self._arrays.items():
            if stored[source].dtype == np.uint16:
                found[name] = decode_depth(stored[source], self._reader.manifest)[0].flatten(1)
            else:
                found[name] = torch.from_numpy(stored[source])
        found["flow"] = found["flow"].flatten(1, 2)
        found["picture"] = found["picture"].permute(0, 3, 1, 2).flatten(2)
        return {name: ready(tensor, device) for name, tensor in found.items()}


def _stored_as(resolution: int, largest: int) -> dict[str, str]:
    """Names of a condition's parts -> names of the pool's arrays."""
    return {
        "face": "z",
        "other": "z_b",
        "poses": "pose",
        "landmarks": "landmarks",
        "landmarks_3d": "landmarks_3d",
        "depth": f"depth_{resolution}",
        "other_depth": f"depth_b_{resolution}",
        "flow": f"flow_{resolution}",
        "labels": f"depth_{largest}",
        "picture": f"image_{largest}",
    }
