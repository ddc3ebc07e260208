"""A photograph becomes a head of a generator."""

import copy
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image

from gof.experiment.config import Config
from gof.models import pretrained
from gof.morphable import face_mesh
from gof.pictures import inversion
from gof.pictures.inversion import PRIOR, Photograph, invert, read_photograph, run_invert
from gof.pictures.jobs import InvertJob
from gof.pictures.views import ViewRequest, render_views, to_uint8
from gof.run.files import InputError, read_json
from tests.unit.metrics.small import saved

CONFIG = Config.parse({"tracking": {"enabled": False}})
POSE = (0.35, 0.05)


def of_head(model, size, seed=5, pose=POSE):
    """A head of the generator itself as the photograph, and its shape's depth."""
    poses = torch.tensor([pose])
    seen = render_views(model, ViewRequest(model.heads([seed]), poses, size, 0.7))
    photograph = Photograph(seen.rgb, torch.ones(size, size), torch.zeros(1, 2))
    return photograph, seen


def test_a_head_of_the_generator_is_found_again_with_its_pose(monkeypatch):
    monkeypatch.setattr(inversion, "STARTS", 12)
    monkeypatch.setattr(inversion, "SMALL", 16)
    model = pretrained.load(Path("heads-gof"))
    before = copy.deepcopy(model.generator.state_dict())
    photograph, seen = of_head(model, 32)
    mean = render_views(model, ViewRequest(model.heads([0]), torch.zeros(1, 2), 32, 0.0))
    found = invert(model, photograph, 60, 10, PRIOR["images"])
    assert found.psnr[0] > photograph.psnr(mean.rgb) + 8 and found.psnr[0] > 27
    assert found.psnr[1] >= found.psnr[0], "tuned, or left alone"
    assert (found.pose[0] - torch.tensor(POSE)).abs().max() < 0.1
    again = ViewRequest(torch.zeros(1, model.generator.latent), found.pose, 32, 0.0)
    shown = render_views(found.model, again)
    assert photograph.psnr(shown.rgb) == pytest.approx(found.psnr[1], abs=0.05), "at psi 0"
    both = shown.hit & seen.hit
    apart = (shown.surface_t - seen.surface_t)[both].abs().median()
    assert both.sum() > 0.9 * seen.hit.sum() and apart < 0.006, "in depth, camera radii"
    for name, value in model.generator.state_dict().items():
        assert torch.equal(value, before[name]), f"{name}: the generator given is left alone"
        if name.startswith("mapping"):
            assert torch.equal(value, found.model.generator.state_dict()[name])


def test_pixels_that_do_not_count_change_nothing():
    image, weight = torch.rand(1, 3, 8, 8), torch.ones(8, 8)
    weight[:, 4:] = 0
    other = image.clone()
    other[..., 4:] = 0.3
    photograph = Photograph(image, weight, torch.zeros(1, 2))
    assert float(photograph.misses(other).max()) == 0 and photograph.psnr(other) == float("inf")
    other[..., 0, 0] += 0.5
    assert float(photograph.misses(other)) > 0
    error = 0.25 / 4 / 32  # one of 32 pixels off by half of a range of two
    assert photograph.psnr(other) == pytest.approx(-10 * np.log10(error), abs=1e-4)
    small = photograph.reduced(4)
    assert small.image.shape == (1, 3, 4, 4) and small.weight.tolist()[0] == [1, 1, 0, 0]


def test_what_is_written_shows_the_head_at_psi_0(tmp_path):
    generator = saved(tmp_path / "model")
    model = pretrained.load(generator)
    _, seen = of_head(model, 8)
    image = tmp_path / "photograph.png"
    Image.fromarray(to_uint8(seen.rgb)[0]).save(image)
    out = tmp_path / "found" / "inversion.json"
    run_invert(CONFIG, InvertJob(image=image, generator=generator, steps=4, tuning=2, out=out))
    numbers = read_json(out)["numbers"]
    found = pretrained.load(out.with_name("generator.yaml"))
    pose = torch.tensor([[numbers["yaw"], numbers["pitch"]]])
    request = ViewRequest(torch.zeros(1, model.generator.latent), pose, 8, 0.0)
    photograph = read_photograph(image, model, align=False)
    psnr = photograph.psnr(render_views(found, request).rgb)
    assert psnr == pytest.approx(numbers["psnr_tuned"], abs=0.1)
    with Image.open(out.with_name("inversion.png")) as picture:
        assert picture.size == (8 * (len(inversion.SHOWN) + 2), 16)


@pytest.mark.skipif(not face_mesh.at_hand(), reason="needs pip install gof[faces]")
def test_a_face_is_brought_to_its_place_and_its_pose_is_estimated(tmp_path):
    image = tmp_path / "astronaut.png"
    Image.fromarray(skimage.data.astronaut()).save(image)
    model = pretrained.load(Path("heads-gof"))
    photograph = read_photograph(image, model, align=True)
    assert photograph.image.shape == (1, 3, model.resolution, model.resolution)
    assert photograph.pose.abs().max() > 0.02 and float(photograph.weight.min()) < 0.1
    cat = tmp_path / "cat.png"
    Image.fromarray(skimage.data.chelsea()).save(cat)
    with pytest.raises(InputError, match=r"cat\.png: no face found"):
        read_photograph(cat, model, align=True)


@pytest.mark.parametrize("content", [b"", b"no image"])
def test_no_photograph_is_named(tmp_path, content):
    path = tmp_path / "photograph.png"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"photograph\.png"):
        read_photograph(path, pretrained.load(saved(tmp_path / "model")), align=False)
    job = InvertJob(image=path, generator=saved(tmp_path / "m"), steps=-1, out=tmp_path / "o.json")
    with pytest.raises(InputError, match="--steps"):
        run_invert(CONFIG, job)
