"""face-alignment's plumbing, with made-up weights: networks that find bright spots."""

import pickle

import numpy as np
import pytest
import torch
from face_alignment.detection.sfd.net_s3fd import s3fd
from face_alignment.models import FAN

from gof.data import download
from gof.data.assets import assets
from gof.fitting.landmark_set import detect
from gof.morphable import detector, face_mesh
from gof.morphable.detector import find_weights, load, needed, weights_folder
from gof.run.files import InputError, MachineError, sha256
from gof.run.receiving import NotReceived

SIZE, SPOT = 128, 4
FILES = [asset.file for asset in needed()]


def pass_for_published(patch, folder, files=FILES):
    """Have what lies in a folder be what the registry of assets asks for."""
    for asset in needed():
        if asset.file in files:
            own = {"sha256": sha256(folder / asset.file)[:10]}
            patch.setitem(assets(), asset.name, asset.model_copy(update=own))


def blank(network):
    """Weights of a network that only adds and normalises."""
    state = {name: torch.zeros_like(value) for name, value in network.state_dict().items()}
    for name in state:
        if name.endswith("running_var") or (
            "bn" in name.split(".")[-2] and name.endswith("weight")
        ):
            state[name].fill_(1)
        if name.endswith("norm.weight"):
            state[name].fill_(5)
    return state


def face_weights():
    """Every cell of 16 pixels that holds a spot is a face of 64 pixels."""
    state = blank(s3fd())
    names = ("1_1", "1_2", "2_1", "2_2", "3_1", "3_2", "3_3", "4_1", "4_2", "4_3", "5_1", "5_2")
    for name in (*names, "5_3"):
        state[f"conv{name}.weight"][0, 0, 1, 1] = 1
    for name in state:
        if name.endswith("mbox_conf.bias"):
            state[name][0] = 10  # background
    state["conv5_3_norm_mbox_conf.weight"][1, 0, 1, 1] = 4
    return state


def landmark_weights():
    """All 68 heat maps are the brightness, summed over scales."""
    state = blank(FAN(4))
    state["conv1.weight"][0, :, 3, 3] = 1 / 3
    for block in ("conv2", "conv4"):
        state[f"{block}.downsample.0.weight"].fill_(1)
        state[f"{block}.downsample.0.running_var"].fill_(1)
        state[f"{block}.downsample.2.weight"][0, 0] = 1
    for k in range(4):
        state[f"conv_last{k}.weight"][0, 0] = 1
        state[f"l{k}.weight"][:, 0] = 1 / 20
    return state


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A cache of torch hub that holds weights, which pass for the published ones."""
    folder = tmp_path_factory.mktemp("torch")
    (folder / "hub" / "checkpoints").mkdir(parents=True)
    faces, landmarks = FILES
    for name, state in ((faces, face_weights()), (landmarks, landmark_weights())):
        torch.save(state, folder / "hub" / "checkpoints" / name)
    with pytest.MonkeyPatch.context() as patch:
        pass_for_published(patch, folder / "hub" / "checkpoints")
        yield folder


@pytest.fixture
def cached(home, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(home))
    load.cache_clear()
    yield home / "hub" / "checkpoints"
    load.cache_clear()


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """A cache without files, and no network."""

    def refuse(*_):
        raise NotReceived("no route to host")

    monkeypatch.setattr(download, "PAUSE_S", 0.0)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("GOF_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(face_mesh, "at_hand", lambda: False)
    monkeypatch.setattr(download, "receive", refuse)
    load.cache_clear()
    yield tmp_path / "cache"
    load.cache_clear()


def spotted(*corners):
    """An image uint8 [3, s, s] with bright spots at (column, row) of their first pixels."""
    image = torch.zeros(3, SIZE, SIZE, dtype=torch.uint8)
    for column, row in corners:
        image[:, row : row + SPOT, column : column + SPOT] = 255
    return image


def test_faces_are_counted_and_found_where_they_are(cached):
    corners = [[], [(54, 70)], [(86, 22), (38, 86)]]
    found = detect(torch.stack([spotted(*own) for own in corners]))
    assert found.faces.tolist() == [0, 1, 2]
    assert found.found.tolist() == [False, True, False]
    assert found.points.shape == (3, 68, 2) and found.confidence.shape == (3, 68)
    assert (found.points[0] == 0).all() and (found.confidence[0] == 0).all()
    assert (found.confidence[1:] > 0).all() and (found.confidence <= 1).all()
    column, line = (place + SPOT / 2 for place in corners[1][0])  # from the image's edge
    expected = torch.tensor([column, SIZE - line]) / SIZE * 2 - 1
    gap = (found.points[1] - expected) * SIZE / 2
    assert gap.abs().max() < 2.5  # a cell of the heat map is two pixels


def test_weights_in_the_cache_are_used_and_can_be_hashed(cached):
    found = find_weights()
    assert list(found) == FILES and all(path.parent == cached for path in found.values())
    assert weights_folder() == cached
    assert all(len(sha256(path)) == 64 for path in found.values())


def test_without_files_and_network_both_are_named_with_their_place(empty):
    with pytest.raises(MachineError) as caught:
        detect(spotted()[None])
    text = str(caught.value)
    assert "\n" not in text and "no route to host" in text and FILES[0] in text
    assert "gof download --asset face-detector --from FILE" in text


def test_downloads_get_their_names_when_their_hashes_are_right(empty, tmp_path, monkeypatch):
    torch.save({"weight": torch.zeros(3)}, tmp_path / "sent")
    content = (tmp_path / "sent").read_bytes()
    monkeypatch.setattr(download, "receive", lambda url, path, most: path.write_bytes(content))
    with pytest.raises(InputError, match="sha256"):
        find_weights()
    assert not list(empty.iterdir()), "another file than the one that was published"
    for asset in needed():
        own = {"sha256": sha256(tmp_path / "sent")}
        monkeypatch.setitem(assets(), asset.name, asset.model_copy(update=own))
    assert all(path.read_bytes() == content for path in find_weights().values())


class Bomb:
    def __reduce__(self):
        return (open, ("exploded", "w"))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("content", ["cut", "foreign", "pickle", "other hash"])
def test_files_that_are_no_weights_are_refused_and_not_run(
    cached, tmp_path, monkeypatch, name, content
):
    blank = {"weight": torch.zeros(3)}
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    for own in FILES:
        (folder / own).symlink_to(cached / own)
    (folder / name).unlink()
    if content == "cut":
        (folder / name).write_bytes((cached / name).read_bytes()[:5000])
    elif content == "foreign":
        torch.save(blank, folder / name)
    elif content == "pickle":
        (folder / name).write_bytes(pickle.dumps(Bomb(), protocol=2))
    else:
        (folder / name).write_bytes((cached / name).read_bytes() + b"x")
    if content != "other hash":
        pass_for_published(monkeypatch, folder, [name])
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        load("cpu")
    assert "\n" not in str(caught.value) and str(folder) in str(caught.value)
    assert not (tmp_path / "exploded").exists()


def test_pixels_are_centred_and_y_points_up():
    plane = detector.to_plane(np.array([[0, 0], [9, 0], [4.5, 4.5]]), 10)
    expected = torch.tensor([[-0.9, 0.9], [0.9, 0.9], [0.0, 0.0]])
    torch.testing.assert_close(plane, expected, atol=1e-6, rtol=0)
