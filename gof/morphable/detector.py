"""Faces and their landmarks in photographs: by the package face-alignment (Bulat and Tzimiropoulos,
"How far are we from solving the 2D & 3D face alignment problem?", 2017) where its weights are at
hand, else by MediaPipe's networks where their runtime is (`gof.morphable.face_mesh`)."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gof.data.assets import Asset, assets
from gof.data.download import default_cache, fetch
from gof.morphable import face_mesh
from gof.run.files import InputError, MachineError
from gof.run.weights import read_weights, serving
from gof.workarounds.torchvision import make_torchvision_importable

# Points [68, 2] in pixels (x right, y down) and scores [68] of each face of an image [h, w, 3].
Find = Callable[[np.ndarray], list[tuple[np.ndarray, np.ndarray]]]


def weights_folder() -> Path:
    """Where the package looks for its weights: the cache of torch hub (TORCH_HOME)."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def needed() -> tuple[Asset, Asset]:
    """The weights of the face detector and of the landmark network. Its landmarks are projections
    of points of the head, as those of a 3DMM are; those of the package's "2D" network slide along
    the visible outline."""
    return assets()["face-detector"], assets()["face-landmarks"]


def _place(asset: Asset) -> Path:
    """Where a file of face-alignment lies: in the package's own place, where many have it, or where
    `gof download` puts it."""
    own = weights_folder() / asset.file
    return own if own.is_file() else default_cache() / asset.file


def by_face_mesh() -> bool:
    """Whether MediaPipe's networks are to find faces: the others' weights are not at hand."""
    return face_mesh.at_hand() and not all(_place(asset).is_file() for asset in needed())


def find_weights() -> dict[str, Path]:
    """The weight files by name, downloaded where they are missing. Raises MachineError when they
    cannot be fetched, naming them and where to put them."""
    if by_face_mesh():
        return {assets()["face-mesh"].file: face_mesh.weights()}
    found = {}
    for asset in needed():
        path = _place(asset)
        try:
            found[asset.file] = path if path.is_file() else fetch(asset, default_cache())
        except MachineError as error:
            raise MachineError(f"{error}; or, without them: pip install 'gof[faces]'") from None
    return found


@cache
def load(device: str = "cpu") -> Find:
    """A face detector with its landmark network. Raises MachineError when its weights cannot
    be had, and InputError for a file that is none of them."""
    if by_face_mesh():
        return face_mesh.load()
    paths, own = find_weights(), needed()
    states = {each.file: read_weights(paths[each.file], sha256=each.sha256) for each in own}
    make_torchvision_importable()
    import face_alignment

    try:
        with serving(states):
            network = face_alignment.FaceAlignment(
                face_alignment.LandmarksType.TWO_HALF_D,
                device=device,
                compile=False,
                face_detector_kwargs={"path_to_detector": own[0].file},
            )
    except (OSError, RuntimeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(
            f"{weights_folder()}: {' or '.join(paths)} is damaged ({reason}): delete both"
        ) from None

    def find(image: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            found: Any = network.get_landmarks_from_image(image, return_landmark_score=True)
        points, scores, _ = found
        # heat maps of the image and of its mirror image are summed
        halves = [score / 2 for score in scores or []]
        return list(zip(points or [], halves, strict=True))

    return find


def to_plane(points: np.ndarray, size: int) -> Tensor:
    """Pixels (x right, y down; the package cuts off what is behind the point, so half a pixel is
    added) of a square image -> the image plane (x right, y up, the image spans [-1, 1])."""
    plane = (torch.from_numpy(np.asarray(points, np.float32)) + 0.5) / size * 2 - 1
    return plane * torch.tensor([1.0, -1.0])
