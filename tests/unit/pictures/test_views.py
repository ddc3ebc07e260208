import pytest
import torch

from gof.models import pretrained as generators
from gof.pictures import views as samples
from gof.pictures.views import ViewRequest, views


@pytest.mark.parametrize("name", ["cgof", "gof"])
@pytest.mark.parametrize("normals", [False, True])
def test_views_do_not_depend_on_what_is_rendered_beside_them(obedience, name, normals, monkeypatch):
    model = generators.load(obedience.generator(name))
    poses = torch.tensor([[0.0, 0.0], [0.3, 0.1], [-0.2, -0.1], [0.1, 0.0], [0.0, 0.2]])
    request = ViewRequest(model.latents(0, 5), poses, 16, 0.8, normals=normals)
    together = views(model, request)
    assert together.hit.any() and not together.hit.all()
    for rays in (1, 2 * 16**2):  # one by one; two, two and one
        monkeypatch.setattr(samples, "RAYS", rays)
        apart = views(model, request)
        assert torch.equal(apart.hit, together.hit)
        for part in ("rgb", "depth", "alpha", "surface_t", "normal"):
            torch.testing.assert_close(
                getattr(apart, part), getattr(together, part), rtol=0, atol=2e-4
            )
    lengths = together.normal.norm(dim=1)
    expected = together.hit.float() if normals else torch.zeros_like(lengths)
    torch.testing.assert_close(lengths, expected)
