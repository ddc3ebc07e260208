from pathlib import Path

import numpy as np
import pytest

from gof.data.manifest import Manifest, Split, write_manifest
from gof.data.shards import write_shard
from gof.geometry.settings import Camera


def data_in(place: Path) -> Path:
    """A manifest of 12 random images of 8 px."""
    draw = np.random.default_rng(0)
    folder = place / "data"
    folder.mkdir()
    images = draw.integers(0, 255, (12, 8, 8, 3), dtype=np.uint8)
    shard = write_shard(folder / "train-000", {"image_8": images})
    path = folder / "manifest.json"
    splits = {"train": Split(12, (shard,))}
    write_manifest(Manifest(path, "heads", Camera(), (1.0, 1.0, 1.0), (8,), splits))
    return path


@pytest.fixture
def tiny_data(tmp_path: Path) -> Path:
    """That of `data_in`."""
    return data_in(tmp_path)


def config_in(place: Path) -> Path:
    """An experiment of 40 quick steps at 8 px."""
    path = place / "config.yaml"
    path.write_text(
        """
models:
  gof:
    integrator: occupancy
    sampling: {coarse: 4, secant: 1, surface: 2}
    stages: [{resolution: 8, steps: 40, batch: 8, micro_batch: 4}]
    field: {layers: 2, width: 8}
    mapping: {latent: 4, width: 8}
    discriminator: {channel_base: 32, channel_max: 8}
    training: {truncation_latents: 100}
runtime: {log_every: 5, checkpoint_every: 4, probe_every: 20}
tracking: {enabled: false}
"""
    )
    return path


@pytest.fixture
def tiny_config(tmp_path: Path) -> Path:
    """That of `config_in`."""
    return config_in(tmp_path)
