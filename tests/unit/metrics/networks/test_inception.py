"""Inception: found where its weights are, and the distances that pytorch-fid finds with it."""

import numpy as np
import pytest
import torch
from PIL import Image

from gof.data.assets import assets
from gof.geometry.images import resize
from gof.metrics.networks import inception as module
from gof.metrics.networks.inception import inception, inception_file
from gof.metrics.scores.frechet_distance import frechet_distance, kernel_distance
from gof.run.files import InputError, sha256

FILE = assets()["inception"].file


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Where pytorch-fid would put its weights."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setenv("GOF_CACHE", str(tmp_path / "cache"))
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    (tmp_path / "cache").mkdir()
    return tmp_path / "hub" / "checkpoints" / FILE


@pytest.fixture
def published(monkeypatch):
    """pytorch-fid's module, in which no weights are fetched; those it draws are kept positive
    enough to let something through."""
    module.make_torchvision_importable()
    from pytorch_fid import inception as theirs

    torch.manual_seed(0)
    with monkeypatch.context() as patch:
        patch.setattr(theirs, "load_state_dict_from_url", lambda *a, **k: {})
        patch.setattr(torch.nn.Module, "load_state_dict", lambda self, state: None)
        state = theirs.fid_inception_v3().state_dict()
    return theirs, state


def pass_for_published(monkeypatch, file):
    own = assets()["inception"].model_copy(update={"sha256": sha256(file)[:8]})
    monkeypatch.setitem(assets(), "inception", own)


def test_no_inception_where_its_weights_are_not(place, tmp_path):
    assert inception() is None
    assert inception_file() == tmp_path / "cache" / FILE, "where a download would put it"


def test_a_torn_inception_file_is_named(place):
    place.write_bytes(b"cut short")
    with pytest.raises(InputError, match=FILE):
        inception()


@pytest.mark.parametrize("downloaded", [False, True])
def test_inception_runs_with_the_weights_at_hand(
    place, tmp_path, published, monkeypatch, downloaded
):
    file = tmp_path / "cache" / FILE if downloaded else place
    torch.save(published[1], file)
    with pytest.raises(InputError, match=r"sha256 begins with .*6726825d"):
        inception()
    pass_for_published(monkeypatch, file)
    found = inception()
    assert found is not None and found.metric == "fid" and found.sha256 == sha256(file)
    images = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8)
    assert found(images).shape == (3, 2048)


def test_distances_are_those_of_pytorch_fid_on_the_same_images(
    place, tmp_path, published, monkeypatch
):
    theirs, state = published
    torch.save(state, place)
    pass_for_published(monkeypatch, place)
    monkeypatch.setattr(theirs, "load_state_dict_from_url", lambda *a, **k: state)
    from pytorch_fid.fid_score import calculate_fid_given_paths

    generator = torch.Generator().manual_seed(1)
    sets = []
    for k, name in enumerate(("one", "two")):
        (tmp_path / name).mkdir()
        small = torch.rand(12, 3, 6 + 4 * k, 6 + 4 * k, generator=generator)
        images = (resize(small, 64) * 255).round().byte()
        for number, image in enumerate(images.permute(0, 2, 3, 1).numpy()):
            Image.fromarray(image).save(tmp_path / name / f"{number}.png")
        sets.append(images)
    paths = [str(tmp_path / name) for name in ("one", "two")]
    expected = calculate_fid_given_paths(paths, 6, "cpu", 2048, num_workers=0)
    extract = inception()
    assert extract is not None
    ours = frechet_distance(*(extract(images) for images in sets))
    assert ours == pytest.approx(float(expected), rel=1e-4)
    assert np.isfinite(kernel_distance(*(extract(images) for images in sets)))
