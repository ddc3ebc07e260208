"""What other packages add is used from the configuration to the mesh, and no file of this one
changes for it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

from gof.config.errors import ConfigError
from gof.data.manifest import load_manifest
from gof.data.reader import load_images
from gof.experiment import plan, scopes
from gof.experiment.config import Config
from gof.models import pretrained as generators
from gof.models.generator import Generator
from gof.models.settings import Networks
from gof.shapes.jobs import MeshJob
from gof.shapes.marching import run_meshes
from gof.sources.make import make
from gof.training.jobs import StageJob
from gof.training.stage import run_stage
from tests.unit.toy_kinds import BallNetwork, BallSettings, Discs, toy_kinds  # noqa: F401

VALUES = {
    "datasets": {
        "few": {"source": "discs", "count": 9, "resolutions": [8, 16], "flip": False},
        "more": {"source": "discs", "background": [0, 0, 0], "models": ["ball"]},
    },
    "models": {
        "ball": {
            "integrator": "occupancy",
            "field": {"name": "ball", "radius": 0.07},
            "mapping": {"latent": 4, "layers": 1, "width": 8},
            "start_shape": {"radius": 0},
            "sampling": {"coarse": 8, "secant": 2, "surface": 2},
            "discriminator": {"channel_base": 32, "channel_max": 8},
            "training": {"truncation_latents": 8},
            "stages": [{"resolution": 8, "steps": 2, "batch": 4, "micro_batch": 4}],
        },
        "both": {"extends": "ball", "start_shape": {"radius": 0.02, "sharpness": 50}},
    },
    "meshes": {"count": 1, "resolution": 48},
    "samples": {"latents": 1, "yaws": [0.0], "resolution": 8},
    "tracking": {"enabled": False},
}


def test_without_them_their_names_are_unknown():
    with pytest.raises(ConfigError, match=r"datasets.few: no source 'discs'; there are carla, ca"):
        Config.parse(VALUES)
    with pytest.raises(ConfigError, match=r"models.ball.field: no name 'ball'; there are film_si"):
        Config.parse({"models": VALUES["models"]})


@pytest.mark.usefixtures("toy_kinds")
def test_their_settings_are_read_as_strictly_and_written_whole():
    config = Config.parse(VALUES)
    assert config.datasets["few"] == Discs(count=9, resolutions=(8, 16), flip=False)
    assert config.models["both"].field == BallSettings(radius=0.07)
    assert Config.load(config.model_dump_json()) == config
    assert Config.load(scopes.of_stage(config, "both", 0)).models["both"] == config.models["both"]
    assert [run[:2] for run in plan.trainings(config)] == [
        ("few", "ball"),
        ("few", "both"),
        ("more", "ball"),
    ]
    for key, value in (("slop", 1), ("radius", 0), ("radius", float("nan"))):
        field = {"name": "ball", key: value}
        with pytest.raises(ConfigError, match=rf"models\.ball\.field\.{key}: "):
            Config.parse({"models": {"ball": {**VALUES["models"]["ball"], "field": field}}})


@pytest.mark.usefixtures("toy_kinds")
def test_a_data_set_and_a_model_of_theirs_go_through_training_to_a_mesh(tmp_path: Path):
    config, data = Config.parse(VALUES), tmp_path / "few" / "data" / "manifest.json"
    make(config, "few", {}, data)
    manifest = load_manifest(data)
    assert (manifest.name, manifest.offers, manifest.flip) == ("few", ("images",), False)
    assert manifest.provenance["source"] == "discs"
    assert load_images(manifest, "train", 8).shape == (9, 3, 8, 8)
    run_stage(config, StageJob(model="ball", data=data, out=tmp_path / "stage0", device="cpu"))
    trained = generators.load(tmp_path / "stage0" / "generator.yaml")
    assert isinstance(trained.generator.field, BallNetwork)
    assert float(trained.generator.field.size.abs()) > 0, "it learnt something"
    run_meshes(
        config,
        MeshJob(
            generator=tmp_path / "stage0" / "generator.yaml",
            out=tmp_path / "meshes" / "meshes.json",
        ),
    )
    mesh = trimesh.load_mesh(tmp_path / "meshes" / "mesh-000.ply", process=False)
    radius = float(trained.bind(trained.latents(0, 1), config.meshes.truncation).radii)
    assert abs(radius - 0.07) < 0.003
    assert np.abs(np.linalg.norm(mesh.vertices, axis=1) - radius).max() < 1e-3


@pytest.mark.usefixtures("toy_kinds")
def test_a_field_of_theirs_carries_the_start_shape():
    networks = Networks.model_validate(
        {
            "field": {"name": "ball"},
            "start_shape": {"radius": 0.03, "sharpness": 70, "stretch": [1, 2, 1]},
        }
    )
    generator = Generator(networks)
    generator.reset(0)
    style = torch.zeros(2, generator.field.style_size)
    points = torch.tensor([[[0.01, 0.04, 0.0]]]).expand(2, 1, 3)
    alone = 300 * (0.06 - (0.01**2 + 0.04**2) ** 0.5)
    start = 70 * (0.03 - (0.01**2 + 0.02**2) ** 0.5)
    logits = generator.bind(style).logits(points)
    torch.testing.assert_close(logits, torch.full((2, 1), alone + start), atol=1e-4, rtol=0)


def test_an_installed_package_is_found_by_its_entry_point(tmp_path: Path):
    folder = tmp_path / "toys-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: toys\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text("[gof.plugins]\ntoys = toys\n")
    (tmp_path / "toys.py").write_text("from tests.unit.toy_kinds import register\n\nregister()\n")
    path = os.pathsep.join([str(tmp_path), *sys.path])
    call = [sys.executable, "-m", "gof", "check", "--config", json.dumps(VALUES)]
    installed = subprocess.run(call, env=os.environ | {"PYTHONPATH": path}, capture_output=True)
    assert installed.returncode == 0, installed.stderr
    (tmp_path / "toys.py").write_text("raise OSError('no such library')\n")
    broken = subprocess.run(
        call, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True
    )
    assert broken.returncode == 3 and len(broken.stderr.splitlines()) == 1, broken.stderr
    assert "plugin toys (toys): OSError: no such library" in broken.stderr
