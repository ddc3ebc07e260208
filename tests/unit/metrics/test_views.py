"""Views of a generator as a data set."""

from pathlib import Path

import numpy as np
import pytest
import torch

from gof.data.manifest import Manifest, load_manifest, write_manifest
from gof.data.reader import load_depth, load_images, load_split
from gof.experiment.config import Config
from gof.geometry.settings import Camera
from gof.metrics import views
from gof.metrics.context import poses
from gof.metrics.views import ViewsJob, run_views
from gof.models import pretrained as generators
from gof.pictures.views import ViewRequest, render_views, to_uint8
from gof.run.files import InputError
from tests.unit.metrics.small import configured, saved


def config(count: int, seeds: tuple[int, ...] = (0, 3)) -> Config:
    return Config.parse(
        {
            "metrics": {"seeds": seeds, "views": {"count": count, "resolution": 16}},
            "models": configured(),
            "tracking": {"enabled": False},
        }
    )


@pytest.fixture
def generator(tmp_path: Path) -> Path:
    return saved(tmp_path, background=(0.5, -0.5, 0.0))


def test_views_are_what_the_generator_shows(tmp_path: Path, generator: Path) -> None:
    out = tmp_path / "views" / "manifest.json"
    run_views(config(5), ViewsJob(generator=generator, out=out))
    manifest = load_manifest(out)
    assert (manifest.name, manifest.resolutions, set(manifest.splits)) == (
        "mine",
        (16,),
        {"seed0", "seed3"},
    )
    assert manifest.background == pytest.approx((0.75, 0.25, 0.5))
    assert manifest.provenance["truncation"] == 1.0
    model = generators.load(generator, "cpu")
    for seed in (0, 3):
        places = poses(model.camera, seed, 5)
        seen = render_views(model, ViewRequest(model.latents(seed, 5), places, 16, 1.0))
        split = f"seed{seed}"
        images = load_images(manifest, split, 16).permute(0, 2, 3, 1)
        np.testing.assert_array_equal(images, to_uint8(seen.rgb))
        np.testing.assert_array_equal(load_split(manifest, split, ["pose"])["pose"], places)
        depth, mask = load_depth(manifest, split, 16)
        assert 0.05 < float(mask.float().mean()) < 0.95
        assert torch.equal(mask, seen.alpha > 0.5)
        apart = (depth - seen.depth)[mask].abs().max()
        assert float(apart) < (model.camera.far - model.camera.near) / 65534


def test_more_views_begin_with_the_fewer(tmp_path: Path, generator: Path) -> None:
    found = []
    for count in (3, 6):
        out = tmp_path / str(count) / "manifest.json"
        run_views(config(count, (1,)), ViewsJob(generator=generator, out=out))
        found.append(load_images(load_manifest(out), "seed1", 16))
    assert torch.equal(found[1][:3], found[0])
    assert not torch.equal(found[1][3:], found[0])


def test_without_a_generator_an_untrained_one_is_seen(tmp_path: Path) -> None:
    out, data = tmp_path / "views" / "manifest.json", tmp_path / "data.json"
    camera = Camera(fov_deg=13.0, yaw_mean=0.3)
    write_manifest(Manifest(data, "mine", camera, (0.25, 0.5, 1.0), (16,), {}))
    run_views(config(2), ViewsJob(reference=True, data=data, out=out))
    manifest = load_manifest(out)
    assert (manifest.name, manifest.camera) == ("untrained", camera)
    assert manifest.background == pytest.approx((0.25, 0.5, 1.0))
    corner = load_images(manifest, "seed0", 16)[:, :, 0, 0].double()
    torch.testing.assert_close(
        corner, 255 * corner.new_tensor([[0.25, 0.5, 1.0]] * 2), rtol=0, atol=6
    )


def test_an_untrained_one_needs_a_place_to_stand_in(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--data: needed with --reference"):
        run_views(config(2), ViewsJob(reference=True, out=tmp_path / "views" / "manifest.json"))


def test_views_are_the_same_in_files_of_any_size(tmp_path: Path, generator: Path, monkeypatch):
    found = []
    for size in (9, 2):
        monkeypatch.setattr(views, "SHARD", size)
        out = tmp_path / str(size) / "manifest.json"
        run_views(config(5, (1,)), ViewsJob(generator=generator, out=out))
        manifest = load_manifest(out)
        assert [shard.count for shard in manifest.splits["seed1"].shards] == {
            9: [5],
            2: [2, 2, 1],
        }[size]
        found.append((load_images(manifest, "seed1", 16), load_depth(manifest, "seed1", 16)[0]))
    assert torch.equal(found[0][0], found[1][0])
    torch.testing.assert_close(found[0][1], found[1][1], rtol=0, atol=1e-5)
