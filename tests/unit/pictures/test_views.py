from dataclasses import replace

import pytest
import torch

from gof.experiment.config import Config
from gof.models import pretrained as generators
from gof.pictures import views as samples
from gof.pictures.jobs import SamplesJob
from gof.pictures.views import (
    ViewRequest,
    depth_picture,
    render_views,
    run_samples,
    sample_sheet,
    shaded_picture,
)
from tests.unit.metrics.small import make_scarce


@pytest.mark.parametrize("name", ["cgof", "gof"])
@pytest.mark.parametrize("normals", [False, True])
def test_views_do_not_depend_on_what_is_rendered_beside_them(obedience, name, normals, monkeypatch):
    model = generators.load(obedience.generator(name))
    poses = torch.tensor([[0.0, 0.0], [0.3, 0.1], [-0.2, -0.1], [0.1, 0.0], [0.0, 0.2]])
    request = ViewRequest(model.latents(0, 5), poses, 16, 0.8, normals=normals)
    together = render_views(model, request)
    assert together.hit.any() and not together.hit.all()
    for rays in (1, 2 * 16**2):  # one by one; two, two and one
        monkeypatch.setattr(samples, "RAYS", rays)
        apart = render_views(model, request)
        assert torch.equal(apart.hit, together.hit)
        for part in ("rgb", "depth", "alpha", "surface_t", "normal"):
            torch.testing.assert_close(
                getattr(apart, part), getattr(together, part), rtol=0, atol=2e-4
            )
    lengths = together.normal.norm(dim=1)
    expected = together.hit.float() if normals else torch.zeros_like(lengths)
    torch.testing.assert_close(lengths, expected)


@pytest.mark.parametrize("name", ["cgof", "gof"])
def test_views_are_the_same_where_memory_is_short(obedience, name, monkeypatch):
    model = generators.load(obedience.generator(name))
    poses = torch.tensor([[0.0, 0.0], [0.3, 0.1], [-0.2, -0.1]])
    for normals, r in ((False, 32), (True, 16)):
        request = ViewRequest(model.latents(0, 3), poses, r, 0.8, normals=normals)
        whole = render_views(model, request)
        with monkeypatch.context() as patch:
            make_scarce(patch, 500)
            parts = render_views(model, request)
        assert torch.equal(parts.hit, whole.hit) and whole.hit.any()
        for part in ("rgb", "depth", "alpha", "surface_t", "normal"):
            got, wanted = getattr(parts, part), getattr(whole, part)
            torch.testing.assert_close(got, wanted, rtol=0, atol=2e-4)


@pytest.mark.parametrize("name", ["faces.png", "faces.gif"])
def test_the_name_of_a_sheet_or_turntable_gets_that_alone(obedience, tmp_path, name):
    sizes = {"resolution": 8, "latents": 2, "turntable_frames": 3}
    config = Config.parse({"samples": sizes, "tracking": {"enabled": False}})
    generator = obedience.generator("gof")
    run_samples(config, SamplesJob(generator=generator, out=tmp_path / "all"))
    run_samples(config, SamplesJob(generator=generator, out=tmp_path / "one" / name))
    every = {path.name for path in (tmp_path / "all").iterdir()}
    assert every == {".gof", "samples.json", "sheet.png", "turntable.gif"}
    assert {path.name for path in (tmp_path / "one").iterdir()} == {".gof", name, "faces.json"}
    usual = {"faces.png": "sheet.png", "faces.gif": "turntable.gif"}[name]
    assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "all" / usual).read_bytes()


def test_depth_is_shown_over_the_range_of_each_picture_alone() -> None:
    ramp = torch.linspace(0.9, 1.0, 64).view(1, 8, 8)
    depth, seen = torch.cat([ramp, 3 * ramp, ramp]), torch.ones(3, 8, 8, dtype=torch.bool)
    seen[0, 0, 0], seen[2] = False, False
    shown = depth_picture(depth, seen)
    assert shown.shape == (3, 3, 8, 8) and shown.abs().max() <= 1
    assert (shown[~seen[:, None].expand_as(shown)] == 1).all()  # white where nothing is
    torch.testing.assert_close(shown[1, 0].flatten()[0], torch.tensor(0.9))  # the nearest is light
    assert (shown[:2, 0].flatten(1)[:, 1:58].diff() < 0).all()
    assert shown[1, 0].min() == pytest.approx(-0.7 - 0.16 / 0.9, abs=0.01)


def test_clay_is_light_where_the_lamp_is_and_the_same_from_all_sides_else() -> None:
    lamp = torch.nn.functional.normalize(torch.tensor([-0.45, 0.45, 0.77]), dim=0)
    normal = torch.stack([lamp, -lamp]).view(2, 3, 1, 1)
    seen = torch.tensor([True, True]).view(2, 1, 1)
    lit = shaded_picture(normal, seen)
    assert lit[0].min() > lit[1].max()
    assert (lit[0] == lit[0, 0]).all()  # grey
    assert (shaded_picture(normal, ~seen) == 1).all()


def test_sheet_and_turntable_are_seen_from_the_pitch_that_is_set(obedience, monkeypatch) -> None:
    asked = []

    def noted(model, request):
        asked.append(request.poses)
        return render_views(model, request)

    monkeypatch.setattr(samples, "render_views", noted)
    own = {"latents": 1, "yaws": [0.5, 0.1], "pitch": 0.3, "resolution": 8, "turntable_frames": 3}
    model, config = generators.load(obedience.generator("gof")), Config.parse({"samples": own})
    sample_sheet(model, config.samples, "")
    torch.testing.assert_close(torch.cat(asked), torch.tensor([[0.5, 0.3], [0.1, 0.3]]))
    samples.turntable(model, config.samples)
    torch.testing.assert_close(torch.cat(asked)[:, 1], torch.full((5,), 0.3))


def test_a_sheet_has_four_rows_a_yaw_at_the_size_of_the_last_stage(obedience) -> None:
    model = generators.load(obedience.generator("gof"))
    config = Config.parse({"samples": {"latents": 2, "yaws": [0.0]}})
    assert sample_sheet(model, config.samples, "").shape == (4 * 64, 2 * 64, 3)  # at least
    large = replace(model, info=model.info | {"trained_as": {"stages": [{"resolution": 80}]}})
    assert sample_sheet(large, config.samples, "").shape == (4 * 80, 2 * 80, 3)
    config = Config.parse({"samples": {"latents": 2, "yaws": [0.0], "resolution": 8}})
    assert sample_sheet(large, config.samples, "").shape == (4 * 8, 2 * 8, 3)
