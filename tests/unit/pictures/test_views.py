import pytest
import torch

from gof.experiment.config import Config
from gof.models import pretrained as generators
from gof.pictures import views as samples
from gof.pictures.jobs import SamplesJob
from gof.pictures.views import ViewRequest, render_views, run_samples


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
