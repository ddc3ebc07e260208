"""pytorch-fid's Inception, where its weights are on this machine."""

from __future__ import annotations

from pathlib import Path

import torch

from gof.data.assets import assets
from gof.data.download import default_cache
from gof.metrics.networks.extractor import Extractor
from gof.run.files import InputError, sha256
from gof.run.weights import read_weights, serving
from gof.workarounds.torchvision import make_torchvision_importable

INCEPTION_SIZE = 299


def inception_file() -> Path:
    """Where the weights lie: where pytorch-fid puts them, the cache of torch hub (TORCH_HOME), or
    where `gof download --asset inception` does."""
    name = assets()["inception"].file
    places = (Path(torch.hub.get_dir()) / "checkpoints", default_cache())
    return next((place / name for place in places if (place / name).is_file()), places[1] / name)


def inception(device: str = "cpu") -> Extractor | None:
    """pytorch-fid's Inception if its weights are on this machine, else None; nothing is downloaded.

    Raises InputError when the file there is not the published one.
    """
    path = inception_file()
    if not path.is_file():
        return None
    state = read_weights(path, sha256=assets()["inception"].sha256)
    make_torchvision_importable()
    from pytorch_fid.inception import InceptionV3

    # It would enlarge images to 299 pixels without antialiasing, which is what `resize` does.
    with serving({path.name: state}, "pytorch_fid.inception.load_state_dict_from_url"):
        try:
            network = InceptionV3([InceptionV3.BLOCK_INDEX_BY_DIM[2048]], resize_input=False)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:120]
            raise InputError(f"{path}: weights of another network ({reason}): delete it") from None
    return Extractor(
        "fid", "pytorch-fid Inception", sha256(path), INCEPTION_SIZE, network.eval().to(device)
    )
