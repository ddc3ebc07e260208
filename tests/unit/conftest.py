"""A conditional generator of a toy head model, with all the files that go with it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from gof.conditioning.settings import Conditions
from gof.data.manifest import Manifest, Split, load_manifest, write_manifest
from gof.data.shards import write_shard
from gof.experiment.model import Model
from gof.geometry.cameras import sample_poses
from gof.geometry.settings import Camera
from gof.models import pretrained as generators
from gof.models.generator import Generator
from gof.morphable.coefficients import Layout, Statistics
from gof.morphable.directions import described
from gof.morphable.meshes import Meshes
from gof.morphable.model import MorphableModel
from gof.rendering.settings import Sampling
from gof.run.files import write_npz
from gof.run.rng import streams
from gof.training.settings import Stage
from tests.unit.small_networks import networks
from tests.unit.toy_faces import *  # noqa: F403 (fixtures)
from tests.unit.toy_training import *  # noqa: F403

ROWS, COLUMNS = 24, 36
SIZES = {"identity": 3, "expression": 2, "albedo": 2, "light": 27}
FREE = {"free_geometry": 2, "free_texture": 1}
BACKGROUND = (0.4, 0.5, 0.7)


def sphere_head() -> dict[str, np.ndarray]:
    """A ball of radius 0.08: the first component of identity is its size, the others bend it; the
    first expression moves what is below the middle."""
    polar = np.linspace(0.03, np.pi - 0.03, ROWS + 1)
    turn = np.arange(COLUMNS) / COLUMNS * 2 * np.pi
    p, t = np.meshgrid(polar, turn, indexing="ij")
    unit = np.stack([np.sin(p) * np.sin(t), np.cos(p), np.sin(p) * np.cos(t)], -1).reshape(-1, 3)
    corner = np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS)
    beside = np.roll(corner, -1, 1)
    one = np.stack([corner, corner + COLUMNS, beside], -1).reshape(-1, 3)
    two = np.stack([beside, corner + COLUMNS, beside + COLUMNS], -1).reshape(-1, 3)
    count = len(unit)
    x, y = unit[:, :1], unit[:, 1:2]
    jaw = np.array([16 * COLUMNS + k % COLUMNS for k in range(-8, 9)])
    inner = np.array([(6 + k // 9) * COLUMNS + (k % 9 - 4) % COLUMNS for k in range(51)])
    return {
        "mean": (unit * 0.08).astype(np.float32),
        "identity": np.stack([unit * 0.006, unit * x * 0.004, unit * y * 0.004]).astype(np.float32),
        "expression": np.stack([unit * (y < 0) * 0.005, unit * (y > 0.3) * x * 0.003]).astype("f4"),
        "expression_names": np.array(["jawOpen", "browInnerUp"]),
        "triangles": np.concatenate([one, two]),
        "landmarks": np.concatenate([jaw, inner]),
        "log_base": np.full((count, 3), np.log(0.5), np.float32),
        "absorbance": np.stack([np.full((count, 3), 0.3), 0.3 * (y > 0) * np.ones(3)]).astype("f4"),
        "spread": np.array([0.5, 0.7], np.float32),
        "pigment_names": np.array(["melanin", "blood"]),
        "mirror": np.arange(count),
        "region": np.zeros(count, np.int64),
        "region_names": np.array(["skin"]),
    }


@dataclass(frozen=True)
class Obedience:
    """Paths of a toy head model, its statistics, a data set, and generators: one conditional, one
    not."""

    folder: Path

    @property
    def head_model(self) -> Path:
        return self.folder / "head_model.npz"

    @property
    def statistics(self) -> Path:
        return self.folder / "statistics.npz"

    @property
    def data(self) -> Path:
        return self.folder / "manifest.json"

    def generator(self, name: str) -> Path:
        return self.folder / f"{name}.yaml"

    @property
    def layout(self) -> Layout:
        return Layout(SIZES | FREE)

    def meshes(self) -> Meshes:
        manifest = load_manifest(self.data)
        pair = (self.head_model, self.statistics)
        return Meshes.read(pair, self.layout, manifest.camera, manifest.background)


def _statistics(path: Path, head_model: Path) -> None:
    own = torch.Generator().manual_seed(0)
    factor = {
        name: torch.eye(size) * 0.9 + torch.randn(size, size, generator=own).tril(-1) * 0.1
        for name, size in SIZES.items()
    }
    factor["light"] = factor["light"] * 0.05
    mean = {name: torch.zeros(size) for name, size in SIZES.items()}
    mean["light"][:3] = 3.0  # light from everywhere
    described(MorphableModel.load(head_model), Statistics(mean, factor)).save(path)


def _generator(path: Path, latent: int, blocks: dict[str, int] | None) -> None:
    parts = networks(layers=2, width=8, latent=latent, mapping={"layers": 1, "width": 8})
    generator = Generator(parts)
    generator.reset(3)
    generator.estimate_mean_style(50)
    trained_as = Model(
        integrator="occupancy",
        sampling=Sampling(coarse=12, surface=4),
        stages=(Stage(resolution=8, steps=1),),
        conditions=Conditions() if blocks else None,
    )
    info = {
        "model": path.stem,
        "seed": 3,
        "step": 10,
        "networks": parts.model_dump(mode="json"),
        "camera": Camera().model_dump(mode="json"),
        "trained_as": trained_as.model_dump(mode="json"),
        "half_width": 0.02,
        "background": [2 * value - 1 for value in BACKGROUND],
    }
    generators.save(path, generator, info | ({"blocks": blocks} if blocks else {}))


@pytest.fixture(scope="session")
def obedience(tmp_path_factory: pytest.TempPathFactory) -> Obedience:
    here = Obedience(tmp_path_factory.mktemp("obedience"))
    write_npz(here.head_model, sphere_head())
    _statistics(here.statistics, here.head_model)
    _generator(here.generator("cgof"), here.layout.total, here.layout.sizes)
    _generator(here.generator("gof"), 5, None)
    poses = sample_poses(Camera(), streams(0, "poses", range(12)))
    images = np.random.default_rng(0).integers(0, 255, (12, 16, 16, 3), dtype=np.uint8)
    shard = write_shard(here.folder / "test-000", {"image_16": images, "pose": poses.numpy()})
    splits = {"test": Split(12, (shard,))}
    write_manifest(Manifest(here.data, "balls", Camera(), BACKGROUND, (16,), splits))
    return here
