"""A toy head model with everything the real one has: a sphere with a few components."""

import numpy as np
import pytest
import torch

from gof.data.assets import assets
from gof.data.download import default_cache
from gof.experiment.config import Config
from gof.heads.asset import HeadAsset
from gof.run.files import write_npz
from gof.sources.jobs import DatasetJob
from gof.sources.make import run_dataset

ROWS, COLUMNS = 16, 24


def toy_arrays() -> dict[str, np.ndarray]:
    polar = np.linspace(0.05, np.pi - 0.05, ROWS + 1)
    turn = np.arange(COLUMNS) / COLUMNS * 2 * np.pi
    p, t = np.meshgrid(polar, turn, indexing="ij")
    unit = np.stack([np.sin(p) * np.sin(t), np.cos(p), np.sin(p) * np.cos(t)], -1).reshape(-1, 3)
    corner = np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS)
    beside = np.roll(corner, -1, 1)
    one = np.stack([corner, corner + COLUMNS, beside], -1).reshape(-1, 3)
    two = np.stack([beside, corner + COLUMNS, beside + COLUMNS], -1).reshape(-1, 3)
    rng = np.random.default_rng(0)
    names = np.array(["browInnerUp", "jawOpen", "mouthSmileLeft", "mouthSmileRight"])
    count = len(unit)
    return {
        "mean": (unit * 0.08).astype(np.float32),
        "identity": (unit * rng.normal(0, 0.002, (5, count, 1))).astype(np.float32),
        "expression": (unit * rng.normal(0, 0.004, (4, count, 1))).astype(np.float32),
        "expression_names": names,
        "triangles": np.concatenate([one, two]),
        "log_base": np.log(rng.uniform(0.3, 0.9, (count, 3))).astype(np.float32),
        "absorbance": rng.uniform(0, 0.3, (2, count, 3)).astype(np.float32),
        "spread": np.array([0.5, 0.7], np.float32),
        "pigment_names": np.array(["melanin", "blood"]),
        "landmarks": np.arange(68),
        "mirror": np.arange(count),
        "region": np.zeros(count, np.int64),
        "region_names": np.array(["skin"]),
    }


@pytest.fixture
def arrays():
    return toy_arrays()


@pytest.fixture
def head_model(tmp_path, arrays):
    path = tmp_path / "head_model.npz"
    write_npz(path, arrays)
    return path


@pytest.fixture(scope="session")
def asset():
    """The real head asset; tests that need it are skipped until it was downloaded once."""
    wheel = default_cache() / assets()["head"].file
    if not wheel.is_file():
        pytest.skip("head asset not in the cache: gof download --asset head --out asset.json")
    return HeadAsset(wheel)


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def lively(tmp_path):
    """The toy with landmarks all over its front and components that move vertices any way."""
    arrays = toy_arrays()
    rng = np.random.default_rng(1)
    front = np.flatnonzero((arrays["mean"][:, 2] > 0.02) & (abs(arrays["mean"][:, 1]) < 0.07))
    jaw = 12 * COLUMNS + np.linspace(-6, 6, 17).round().astype(int) % COLUMNS  # ear to ear
    arrays["landmarks"] = np.concatenate(
        [jaw, front[np.linspace(0, len(front) - 1, 51).astype(int)]]
    )
    count = len(arrays["mean"])
    low = np.concatenate([np.ones((count, 1)), arrays["mean"] / 0.08], 1)  # smooth over the sphere
    for name, size in (("identity", 0.004), ("expression", 0.008)):
        mixed = rng.normal(0, size, (len(arrays[name]), 3, 4))
        arrays[name] = np.einsum("kij,vj->kvi", mixed, low).astype(np.float32)
    arrays["log_base"] = np.log(0.5 + 0.2 * low[:, 1:]).astype(np.float32)
    arrays["absorbance"] = np.stack(
        [np.full((count, 3), 0.3) * (1, 0.5, 0.2), 0.3 * (low[:, 1:2] > 0) * (0.1, 1, 1)]
    ).astype(np.float32)
    path = tmp_path / "lively.npz"
    write_npz(path, arrays)
    return path


@pytest.fixture
def tiny_heads(tmp_path, lively):
    """The manifest of a small data set rendered from `lively`: 12 training and 4 test heads."""
    counts = {"train": 12, "validation": 1, "test": 4, "shard_size": 8, "resolutions": [16, 32]}
    datasets = {"heads": {"source": "heads", **counts}}
    config = Config.parse({"datasets": datasets, "tracking": {"enabled": False}})
    path = tmp_path / "data" / "manifest.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.sched_getaffinity", lambda _: {0})  # no worker processes
        run_dataset(config, DatasetJob(name="heads", head_model=lively, out=path))
    return path
