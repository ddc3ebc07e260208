"""The papers' settings, number by number, against the tables of the released code (GOF's
curriculums)."""

from math import exp, sin
from pathlib import Path

import pytest
import yaml
from pytest import approx

from gof.experiment.config import Config
from gof.experiment.model import Model
from tests.unit.differences import differences

# Of one GPU; there were eight.
GPUS = 8
BATCH, SPLIT, SIZES = (16, 8, 4), (1, 1, 2), (32, 64, 128)
TABLE = {
    "celeba": {
        "steps": (20_000, 160_000, 200_000),  # where each size ends
        "lr_g": (5e-5, 5e-5, 4e-6),
        "near_far": (0.88, 1.12),
        "poses": ("gaussian", 0.3, 0.155),
        "interval": (0.12, 0.03, 1e-5),
        "opacity": (0.05, 0.5e-5),
        "normal": (0.05, 1e-2),
        "samples": (9, 9, 6),  # surface, coarse, fine
        "source": "celeba",
    },
    "cats": {
        "steps": (5_000, 30_000, 40_000),
        "lr_g": (4e-5, 4e-5, 4e-6),
        "near_far": (0.8, 1.2),
        "poses": ("uniform", 0.5, 0.4),
        "interval": (0.2, 0.1, 2e-5),
        "opacity": (0.05, 1e-5),
        "normal": (0.05, 1e-2),
        "samples": (9, 9, 6),
        "source": "cats",
    },
    "bfm": {
        "steps": (10_000, 60_000, 80_000),
        "lr_g": (5e-5, 5e-5, 4e-6),
        "near_far": (0.88, 1.12),
        "poses": ("gaussian", 0.3, 0.155),
        "interval": (0.12, 0.02, 3e-5),
        "opacity": (0.1, 4e-5),
        "normal": (0.01, 1e-3),
        "samples": (12, 9, 3),
        "source": "synface",
    },
}


def preset(name: str, *below: str) -> Config:
    return Config.load(*below, f"workflow/configs/paper-{name}.yaml")


def test_every_preset_of_photographs_is_held() -> None:
    found = {path.stem[6:] for path in Path("workflow/configs").glob("paper-*.yaml")}
    assert found == {*TABLE, "carla", "cgof"}


@pytest.mark.parametrize("name", [*TABLE, "carla"])
def test_nothing_comes_from_the_default_run(name: str) -> None:
    alone, above = preset(name), preset(name, "config.yaml")
    assert above.models == alone.models and set(alone.models) == {"gof", "pigan"}
    assert above.datasets == alone.datasets


@pytest.mark.parametrize("name", TABLE)
def test_data_and_camera(name: str) -> None:
    wanted, dataset = TABLE[name], preset(name).datasets[name]
    camera = dataset.camera
    assert (camera.near, camera.far) == wanted["near_far"] and camera.fov_deg == 12
    assert (camera.law, camera.yaw, camera.pitch) == wanted["poses"]
    assert (camera.yaw_mean, camera.pitch_mean) == (0, 0)
    assert dataset.flip and dataset.resolutions == SIZES
    assert dataset.source == wanted["source"]
    metrics = preset(name).metrics
    assert (metrics.frechet.images, metrics.frechet.training(2048, 30_000)) == (2048, 8000)
    assert metrics.views.count == 2048


def test_carla_is_pi_gan_s_and_seen_from_all_around() -> None:
    """pi-GAN's curriculum for CARLA."""
    config = preset("carla")
    pigan, camera = config.models["pigan"], config.datasets["carla"].camera
    found = [
        (s.resolution, s.steps, s.batch, s.micro_batch, s.lr_generator, s.lr_discriminator)
        for s in pigan.stages
    ]
    assert found == [
        (32, 10_000, 30, 30, 4e-5, 4e-4),
        (64, 45_000, 14, 7, 2e-5, 2e-4),
        (128, 145_000, 10, 2, 1e-5, 1e-4),
    ]
    assert config.models["gof"].stages == pigan.stages
    assert (pigan.sampling.coarse, pigan.sampling.fine, pigan.integrator) == (48, 48, "density")
    training = pigan.training
    assert (training.r1_weight, training.pose_weight, training.topk_floor) == (10, 0, 1)
    assert (training.betas, training.mapping_lr, training.clip_generator) == ((0, 0.9), 1, 1)
    assert (camera.fov_deg, camera.near, camera.far, camera.law) == (30, 0.7, 1.3, "sphere")
    assert sin(camera.elevation[0]) == approx(1 - 2 * 0.4722, abs=1e-3)
    assert not config.datasets["carla"].flip


@pytest.mark.parametrize("name", TABLE)
def test_the_schedule_is_that_of_eight_gpus(name: str) -> None:
    wanted, models = TABLE[name], preset(name).models
    assert models["pigan"].stages == models["gof"].stages
    end = 0
    for number, stage in enumerate(models["gof"].stages):
        end += stage.steps
        assert (stage.resolution, end) == (SIZES[number], wanted["steps"][number])
        assert stage.batch == GPUS * BATCH[number]
        assert stage.micro_batch == BATCH[number] // SPLIT[number]
        assert stage.lr_generator == wanted["lr_g"][number]
        assert stage.lr_discriminator == (2e-4, 2e-4, 2e-5)[number]
        assert stage.fade_steps == 10_000 and stage.objective == "adversarial"
        assert stage.r1_weight is None
    assert number == 2


@pytest.mark.parametrize("name", TABLE)
def test_rendering_and_losses_of_gof(name: str) -> None:
    wanted, gof = TABLE[name], preset(name).models["gof"]
    surface, coarse, fine = wanted["samples"]
    found = gof.sampling
    assert (found.surface, found.coarse, found.fine) == (surface, coarse, fine)
    assert (found.secant, found.tau) == (4, 0.5)
    assert (gof.interval.max, gof.interval.min, gof.interval.decay) == wanted["interval"]
    assert (gof.opacity.weight, gof.opacity.growth) == wanted["opacity"]
    assert gof.opacity.cap == 10 and gof.opacity.of == "occupancy"
    assert (gof.normal.weight, gof.normal.distance) == wanted["normal"]
    assert gof.integrator == "occupancy" and gof.density_noise.start == 0


@pytest.mark.parametrize("name", TABLE)
def test_the_baseline_is_a_radiance_field(name: str) -> None:
    pigan = preset(name).models["pigan"]
    assert (pigan.integrator, pigan.opacity.weight, pigan.normal.weight) == ("density", 0, 0)
    assert (pigan.sampling.coarse, pigan.sampling.surface, pigan.sampling.fine) == (12, 0, 12)
    assert (pigan.density_noise.start, pigan.density_noise.steps) == (1, 5000)


@pytest.mark.parametrize("model", ["gof", "pigan"])
@pytest.mark.parametrize("name", TABLE)
def test_networks_and_optimisers(name: str, model: str) -> None:
    own: Model = preset(name).models[model]
    field = own.field.model_dump()
    assert (field["layers"], field["width"], field["scene_side"]) == (8, 256, 0.24)
    assert (own.mapping.latent, own.mapping.width) == (256, 256)
    assert own.start_shape.radius == 0
    training = own.training
    assert (training.betas, training.ema, training.mapping_lr) == ((0, 0.9), 0.999, 0.05)
    assert (training.r1_weight, training.r1_every, training.pose_weight) == (1, 1, 15)
    assert (training.clip_generator, training.clip_discriminator) == (1, 1)
    assert (training.topk_decay, training.topk_floor) == (0.99, 0.6)
    assert not training.share_fakes and training.precision == "float32"


def test_cars_are_trained_as_those_of_the_gallery() -> None:
    """What their training showed: see the comments of cars.yaml."""
    config = Config.load("config.yaml", "workflow/configs/cars.yaml")
    gof, camera = config.models["gof"], config.datasets["cars"].camera
    assert not gof.field.model_dump()["view_dependent"] and gof.training.r1_weight == 5
    assert gof.field.model_dump()["scene_side"] == approx(camera.far - camera.near)
    assert (gof.interval.max, gof.interval.min, gof.interval.decay) == (0.6, 0.03, 1.7e-3)
    assert (gof.normal.weight, gof.normal.distance) == (0.3, 0.01)
    assert [(s.resolution, s.steps) for s in gof.stages] == [(16, 300), (32, 1600), (32, 400)]
    assert set(config.models_on("cars")) == {"gof", "pigan"}


@pytest.mark.parametrize("name", ["gof", "pigan", "cgof"])
def test_the_gpu_run_has_the_plan_of_what_was_trained_there(name: str) -> None:
    """GOF and pi-GAN are packaged; but for what followed the clock there."""
    config = Config.load("config.yaml", "workflow/configs/gpu.yaml")
    path = "docs/gpu/cgof.yaml" if name == "cgof" else f"gof/models/packaged/heads-{name}.yaml"
    wanted = yaml.safe_load(Path(path).read_text())["trained_as"]
    own = config.models[name]
    found = {text.split(":")[0] for text in differences(own.model_dump(mode="json"), wanted, name)}
    clock = {f"{name}.interval.decay", f"{name}.opacity.growth"}
    assert found <= clock | {f"{name}.mapping.latent"}
    steps = sum(stage.steps for stage in own.stages)
    if name == "gof":
        assert own.interval.max * exp(-own.interval.decay * 0.6 * steps) == approx(0.012, rel=0.01)
        assert own.opacity.weight * exp(own.opacity.growth * steps) == approx(1, rel=0.01)
    if name == "cgof":
        assert own.interval.max * exp(-own.interval.decay * steps) == approx(0.008, rel=0.01)
