"""What is said of a data set, and the camera that is proposed for it."""

import math

import numpy as np
import pytest
import torch

from gof.data.manifest import Manifest, Split, load_manifest
from gof.data.shards import Shard
from gof.fitting import inspection
from gof.fitting.inspection import poses_of, run_check_data, told
from gof.fitting.jobs import CheckDataJob
from gof.geometry.cameras import sample_poses
from gof.geometry.settings import Camera
from gof.run.files import InputError
from gof.run.rng import streams

LAWS = {
    "gaussian": Camera(law="gaussian", yaw=0.25, pitch=0.1, yaw_mean=0.1, pitch_mean=-0.05),
    "sphere": Camera(law="sphere", elevation=(0.1, 1.2)),
}


def manifest_of(tmp_path, camera, count=4000):
    splits = {"train": Split(count, (Shard("train-000.x", count, 1, "0"),))}
    told_of = {"skipped": ["a.png"]}
    return Manifest(
        tmp_path / "m.json", "own", camera, (1, 1, 1), (16,), splits, told_of, ("images",)
    )


@pytest.mark.parametrize("law", LAWS)
def test_of_a_camera_that_fits_nothing_is_said(law, tmp_path):
    poses = sample_poses(LAWS[law], streams(0, "test", range(4000)))
    text = "\n".join(told(manifest_of(tmp_path, LAWS[law]), poses))
    assert "MISFIT" not in text and "4,000 train" in text and "left out: 1" in text


@pytest.mark.parametrize(
    ("camera", "fault"),
    [
        (Camera(yaw=0.5, pitch=0.1, yaw_mean=0.1, pitch_mean=-0.05), "yaw is 0.5 about 0.1"),
        (Camera(yaw=0.25, pitch=0.1, yaw_mean=0.1, pitch_mean=0.2), "pitch is 0.1 about 0.2"),
        (Camera(law="sphere"), "the set says sphere"),
    ],
)
def test_a_camera_that_does_not_fit_is_named(tmp_path, camera, fault):
    poses = sample_poses(LAWS["gaussian"], streams(0, "test", range(2000)))
    lines = [line for line in told(manifest_of(tmp_path, camera), poses) if "MISFIT" in line]
    assert len(lines) == 1 and fault in lines[0]


def test_a_histogram_counts_every_pose():
    values = torch.linspace(-10, 20, 500)
    lines = list(inspection._histogram(values))
    counts = [int(line.split()[3]) for line in lines]
    assert len(lines) == inspection.BINS and sum(counts) == 500
    assert list(inspection._histogram(torch.zeros(3))), "all in one place"


def test_of_a_set_without_poses_the_way_to_them_is_told(tmp_path):
    text = "\n".join(told(manifest_of(tmp_path, Camera(), 40), None))
    assert "poses: not known" in text and "few images: 40" in text


def test_poses_of_renders_are_the_stored_ones(tiny_heads, capsys):
    manifest = load_manifest(tiny_heads)
    poses = poses_of(manifest, None)
    assert poses is not None and poses.shape == (12, 2) and np.isfinite(poses).all()
    assert float(poses.abs().max()) < math.pi
    run_check_data(CheckDataJob(data=tiny_heads))
    assert "camera that fits these poses" in capsys.readouterr().out
    with pytest.raises(InputError):
        run_check_data(CheckDataJob(data=tiny_heads.with_name("none.json")))
