"""Inception: found where its weights are, and the distances that pytorch-fid finds with it."""

import pytest
import torch
from PIL import Image

from gof.data.assets import assets
from gof.geometry.images import resize
from gof.metrics.networks import inception as module
from gof.metrics.networks.inception import INCEPTION_SIZE, inception, inception_file
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


@pytest.fixture
def weights(place, published, monkeypatch):
    """Random ones with the layout of the published file, where it would lie."""
    torch.save(published[1], place)
    pass_for_published(monkeypatch, place)
    monkeypatch.setattr(published[0], "load_state_dict_from_url", lambda *a, **k: published[1])
    return place


def two_sets(folder, count, size):
    """Two sets of images [count, 3, size, size] of different smoothness, and their folders of
    PNGs."""
    generator, sets, folders = torch.Generator().manual_seed(1), [], []
    for k, name in enumerate(("one", "two")):
        (folder / name).mkdir()
        small = torch.rand(count, 3, 6 + 4 * k, 6 + 4 * k, generator=generator)
        images = (resize(small, size) * 255).round().byte()
        for number, image in enumerate(images.permute(0, 2, 3, 1).numpy()):
            Image.fromarray(image).save(folder / name / f"{number:02d}.png")
        sets.append(images)
        folders.append(str(folder / name))
    return sets, folders


def test_distances_are_those_of_pytorch_fid_on_the_same_images(weights, tmp_path):
    from pytorch_fid.fid_score import calculate_fid_given_paths

    sets, folders = two_sets(tmp_path, 12, 64)
    expected = calculate_fid_given_paths(folders, 6, "cpu", 2048, num_workers=0)
    extract = inception()
    assert extract is not None
    ours = frechet_distance(*(extract(images) for images in sets))
    assert ours == pytest.approx(float(expected), rel=1e-4)


def test_distances_are_those_of_torch_fidelity_on_the_same_images(weights, tmp_path):
    """At the size of the network: below it, torch-fidelity places pixels as TensorFlow 1 did."""
    import torch_fidelity

    count = 12
    sets, folders = two_sets(tmp_path, count, INCEPTION_SIZE)
    theirs = torch_fidelity.calculate_metrics(
        input1=folders[0],
        input2=folders[1],
        cuda=False,
        batch_size=6,
        fid=True,
        kid=True,
        kid_subsets=1,
        kid_subset_size=count,
        feature_extractor_weights_path=str(weights),
        cache=False,
        verbose=False,
    )
    extract = inception()
    assert extract is not None
    found = [extract(images) for images in sets]
    fid, kid = theirs["frechet_inception_distance"], theirs["kernel_inception_distance_mean"]
    assert frechet_distance(*found) == pytest.approx(fid, rel=1e-4)
    assert kernel_distance(*found) == pytest.approx(kid, rel=1e-4)
