"""pytorch-fid's Inception, where its weights are on this machine."""

from __future__ import annotations

from pathlib import Path

import torch

from gof.metrics.networks.extractor import Extractor
from gof.run.files import InputError, sha256
from gof.run.weights import read_weights, serving
from gof.workarounds.torchvision import make_torchvision_importable

INCEPTION_FILE = "pt_inception-2015-12-05-6726825d.pth"
INCEPTION_SHA256 = "6726825d"  # what it begins with
INCEPTION_SIZE = 299


def inception_file() -> Path:
    """Where pytorch-fid's Inception weights would lie: the cache of torch hub (TORCH_HOME)."""
    return Path(torch.hub.get_dir()) / "checkpoints" / INCEPTION_FILE


def inception(device: str = "cpu") -> Extractor | None:
    """pytorch-fid's Inception if its weights are on this machine, else None; nothing is downloaded.

    Raises InputError when the file there is not the published one.
    """
    path = inception_file()
    if not path.is_file():
        return None
    # The start of the published file's hash ends its name.
    state = read_weights(path, sha256=INCEPTION_SHA256)
    make_torchvision_importable()
    from pytorch_fid.inception import InceptionV3

    # It would enlarge images to 299 pixels without antialiasing, which is what `resize` does.
    with serving({INCEPTION_FILE: state}, "pytorch_fid.inception.load_state_dict_from_url"):
        try:
            network = InceptionV3([InceptionV3.BLOCK_INDEX_BY_DIM[2048]], resize_input=False)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:120]
            raise InputError(f"{path}: weights of another network ({reason}): delete it") from None
    return Extractor(
        "fid", "pytorch-fid Inception", sha256(path), INCEPTION_SIZE, network.eval().to(device)
    )
