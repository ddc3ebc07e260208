from pathlib import Path

import pytest
import torch
import yaml

from gof.experiment.model import Model
from gof.geometry.settings import Camera
from gof.models import pretrained as generators
from gof.models.generator import Generator
from gof.models.settings import Networks
from gof.rendering.settings import Interval
from gof.run.files import InputError
from gof.run.network_file import write_description
from gof.training.settings import Stage
from tests.unit.small_networks import networks

SHAPE = {"radius": 0.06, "stretch": (1.0, 1.4, 1.1), "sharpness": 40.0}
PARTS = networks(layers=2, width=8, latent=4, mapping={"width": 16}, start=SHAPE)


def saved(folder: Path) -> Path:
    generator = Generator(PARTS)
    generator.reset(0)
    generator.estimate_mean_style(100)
    stages = (Stage(resolution=8, steps=1), Stage(resolution=16, steps=1))
    interval = Interval(max=0.11, min=0.03)
    model = Model(integrator="occupancy", interval=interval, stages=stages)
    info = {
        "model": "gof",
        "networks": PARTS.model_dump(mode="json"),
        "camera": Camera().model_dump(mode="json"),
        "trained_as": model.model_dump(mode="json"),
        "half_width": 0.05,
        "background": [1.0, 0.5, -1.0],
    }
    generators.save(folder / "generator.yaml", generator, info)
    return folder / "generator.yaml"


def test_saved_generator_comes_back_the_same(tmp_path: Path) -> None:
    path = saved(tmp_path)
    model = generators.load(path)
    reference = Generator(PARTS)
    reference.reset(0)
    z = model.latents(3, 2)
    torch.testing.assert_close(model.generator.style(z), reference.style(z), rtol=0, atol=0)
    points = torch.rand(2, 50, 3, generator=torch.Generator().manual_seed(0)) * 0.2 - 0.1
    mine, theirs = (one.bind(one.style(z)).logits(points) for one in (model.generator, reference))
    assert torch.equal(mine, theirs)
    assert model.settings.half_width == 0.05 and model.info["model"] == "gof"
    assert model.settings.background == (1.0, 0.5, -1.0)
    assert (model.interval_max, model.resolution) == (0.11, 16)


def test_an_interval_reaches_no_further_than_the_volume(tmp_path: Path) -> None:
    path = saved(tmp_path)
    info = yaml.safe_load(path.read_text())
    info["trained_as"]["interval"]["max"] = 0.24
    write_description(path, info)
    camera = Camera()
    assert generators.load(path).interval_max == pytest.approx((camera.far - camera.near) / 2)


def test_its_networks_say_what_it_is_made_of(tmp_path: Path) -> None:
    info = yaml.safe_load(saved(tmp_path).read_text())
    assert info["format"] == 3
    assert Networks.model_validate(info["networks"]) == PARTS


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"networks": {"field": {"name": "nerf"}}}, "no name 'nerf'"),
        ({"networks": {"field": {"width": 0}}}, "no description of a generator"),
        ({"networks": None}, "no description of a generator"),
        ({"field": {}}, None),
        ({"camera": {"near": 2, "far": 1}}, "no description of a generator"),
        ({"trained_as": {}}, "no description of a generator"),
        ({"background": 3}, "no description of a generator"),
        (
            {"networks": networks(layers=2, width=9).model_dump(mode="json")},
            "weights of another network",
        ),
    ],
)
def test_descriptions_that_do_not_fit_are_refused(tmp_path: Path, change, fault) -> None:
    path = saved(tmp_path)
    write_description(path, yaml.safe_load(path.read_text()) | change)
    if fault is None:
        assert generators.load(path)
        return
    with pytest.raises(InputError, match=fault) as caught:
        generators.load(path)
    assert "\n" not in str(caught.value)


def test_export_is_the_same_bytes_twice(tmp_path: Path) -> None:
    first, second = saved(tmp_path / "a"), saved(tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()


def test_truncation_pulls_to_the_stored_mean(tmp_path: Path) -> None:
    model = generators.load(saved(tmp_path))
    generator, style = model.generator, model.generator.style(model.latents(0, 5))
    torch.testing.assert_close(generator.truncate(style, 1.0), style)
    torch.testing.assert_close(generator.truncate(style, 0.0)[3], generator.mean_style)
    z = torch.randn(20000, 4, generator=torch.Generator().manual_seed(5))
    assert (generator.style(z).mean(0) - generator.mean_style).abs().max() < 0.1


def test_latents_do_not_depend_on_their_number(tmp_path: Path) -> None:
    model = generators.load(saved(tmp_path))
    torch.testing.assert_close(model.latents(0, 9)[:2], model.latents(0, 2), rtol=0, atol=0)


@pytest.mark.parametrize("position", [60, -20])
def test_flipped_bit_in_the_weights_is_found(tmp_path: Path, position: int) -> None:
    path = saved(tmp_path)
    weights = path.with_suffix(".safetensors")
    content = bytearray(weights.read_bytes())
    content[position] ^= 4
    weights.write_bytes(content)
    with pytest.raises(InputError, match=r"generator\.safetensors: content does not match"):
        generators.load(path)


@pytest.mark.parametrize("text", ["", "- a", "format: 1", "format: 2", "format: 99", "\tx: ["])
def test_odd_descriptions_are_refused_in_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "generator.yaml").write_text(text)
    with pytest.raises(InputError, match=r"generator\.yaml") as caught:
        generators.load(tmp_path / "generator.yaml")
    assert "\n" not in str(caught.value)


def test_missing_generator_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such generator"):
        generators.load(tmp_path / "generator.yaml")
