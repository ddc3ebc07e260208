import pytest
import torch

from gof.data import reader
from tests.unit.metrics.obeying import Telepath, values


@pytest.fixture
def telling_data(monkeypatch):
    """Test images that tell random coefficients, poses and landmarks."""
    own = torch.Generator().manual_seed(0)
    told = torch.zeros(12, 768)
    told[:, :172] = torch.randn(12, 172, generator=own)
    told[:, 34:36] *= 0.3
    images = (told.view(12, 3, 16, 16) + 1) * 127.5
    monkeypatch.setattr(reader, "load_images", lambda *_: images)


def test_only_the_varied_factor_moves_for_one_who_obeys(scores, telling_data):
    numbers = scores("disentanglement")
    for varied, own in numbers["spreads"]["telepath"].items():
        for key, spread in own.items():
            # as much as among random heads, or not at all
            assert spread == pytest.approx(1, abs=0.35) if key == varied else spread < 1e-6
    metrics = {row["metric"] for row in numbers["rows"]}
    assert metrics == {"ds_shape", "ds_expression", "ds_pose", "ds_light"}
    assert all("6 subjects x 4 images, 16 px" in row["protocol"] for row in numbers["rows"])


def test_what_leaks_into_other_factors_lowers_their_score(scores, obedience, telling_data):
    meshes = obedience.meshes()
    found = {}
    for leak in (0.5, 2.0):
        numbers = scores("disentanglement", Telepath(meshes, leak=leak))
        found[leak] = values(numbers)
        spreads = numbers["spreads"]["telepath"]
        own = spreads["light"]
        product = own["light"] ** 3 / (own["shape"] * own["expression"] * max(own["pose"], 1e-8))
        # mean of scores over two seeds, against the score of the mean spreads
        score = found[leak]["telepath", "ds_light"]
        assert score == pytest.approx(product, rel=0.5)
    for factor in ("shape", "expression", "light"):
        key = ("telepath", f"ds_{factor}")
        assert found[0.5][key] > 2 * found[2.0][key]
