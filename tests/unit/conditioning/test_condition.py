import pytest
import torch

from gof.conditioning import condition as conditions
from gof.conditioning.condition import FaceFiles, FaceTask
from gof.morphable.coefficients import BLOCKS, Statistics
from gof.run.files import InputError
from tests.unit.toy_training import SIZES, sphere_depth, write_pool

CPU = torch.device("cpu")


def test_a_sample_has_its_condition_whatever_the_batch(tiny_faces) -> None:
    pool = tiny_faces.face.pool
    together, alone = pool([5, 6, 7], "generator", CPU), pool([6], "generator", CPU)
    assert torch.equal(together.face[1:2], alone.face)
    assert torch.equal(together.depth[1:2], alone.depth)


def test_an_epoch_has_every_head_once_and_the_updates_see_other_orders(tiny_faces) -> None:
    pool = tiny_faces.face.pool
    first = pool(list(range(12)), "generator", CPU).face
    second = pool(list(range(12, 24)), "generator", CPU).face
    other = pool(list(range(12)), "discriminator", CPU).face
    assert len(first.unique(dim=0)) == 12
    assert torch.equal(first.unique(dim=0), second.unique(dim=0))
    assert not torch.equal(first, second) and not torch.equal(first, other)


def test_depth_and_picture_belong_to_the_coefficients(tiny_faces) -> None:
    seen = tiny_faces.face.pool([0, 1, 2, 3], "generator", CPU)
    radius = 0.08 * (1 + 0.05 * seen.face[:, 0])
    for depth, size in ((seen.depth, 8), (seen.labels, 16)):
        truth = sphere_depth(seen.poses, size, radius).flatten(1)
        torch.testing.assert_close(depth, truth, atol=1e-5, rtol=0)
    assert torch.equal(seen.guide.mask, seen.depth > 0) and seen.guide.mask.any()
    assert seen.picture.shape == (4, 3, 256)
    assert torch.equal(seen.face[:, :3], seen.other[:, :3])
    assert not torch.equal(seen.face[:, 3:5], seen.other[:, 3:5])


def test_a_pool_of_other_statistics_is_refused(tmp_path, monkeypatch, tiny_faces) -> None:
    monkeypatch.setattr(conditions, "load_regressor", lambda path: None)
    pool = write_pool(tmp_path)

    def read(sizes):
        eye = {name: torch.eye(sizes[name]) for name in BLOCKS}
        Statistics({name: torch.zeros(sizes[name]) for name in BLOCKS}, eye).save(
            tmp_path / "statistics.npz"
        )
        files = FaceFiles(pool, tmp_path / "statistics.npz", tmp_path / "regressor.yaml")
        return FaceTask.read(tiny_faces.model.conditions, files, 8, 0)

    assert read(SIZES).layout.total == 11
    with pytest.raises(InputError, match=r"manifest.json: 9 coefficients a head, .* has 10"):
        read(SIZES | {"light": 3})
