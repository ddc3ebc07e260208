"""Face regressors: the network, its files, and what is wrong with them."""

import pytest
import torch
import yaml

from gof.geometry.images import resize
from gof.readers.convnet import SIZE, ConvRegressor
from gof.readers.files import load_regressor, save_regressor
from gof.run.files import InputError
from gof.run.network_file import write_description


@pytest.fixture
def network():
    network = ConvRegressor(9, 4)
    network.reset(0, "judge")
    network.centre.uniform_(-0.3, 0.3, generator=torch.Generator().manual_seed(1))
    network.scale.fill_(0.2)
    return network.eval()


@pytest.fixture
def saved(network, tmp_path):
    path = tmp_path / "regressor.yaml"
    save_regressor(path, network, {"name": "judge"})
    return path


def images(count, size):
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(2)) * 2 - 1


@pytest.mark.parametrize("size", [16, 24, SIZE, 100])
def test_reads_images_of_any_size_and_passes_gradients(network, size):
    seen = images(2, size).requires_grad_()
    reading = network(seen)
    assert reading.z.shape == (2, 9)
    assert reading.pose.shape == (2, 2)
    assert reading.landmarks.shape == (2, 68, 2)
    for value in (reading.z, reading.pose, reading.landmarks):
        (gradient,) = torch.autograd.grad(value.square().sum(), seen, retain_graph=True)
        assert gradient.isfinite().all() and gradient.abs().amax((1, 2, 3)).min() > 0


def test_every_image_is_read_by_itself(network):
    seen = images(3, 32)
    together, alone = network(seen), network(seen[1:2])
    torch.testing.assert_close(together.landmarks[1:2], alone.landmarks)
    torch.testing.assert_close(together.z[1:2], alone.z)


def test_a_network_without_head_reads_the_mean_pose_and_landmarks(network):
    torch.nn.init.zeros_(network.head.weight)
    reading = network(images(2, 16))
    read = torch.cat([reading.pose, reading.landmarks.flatten(1)], -1)
    torch.testing.assert_close(read, network.centre.expand(2, -1))


def test_the_same_content_is_read_much_alike_at_every_size():
    def picture(size):  # a smooth one, at its pixel centres
        x = torch.pi * (torch.arange(size) + 0.5) / size
        return (x.sin()[:, None] * x.cos()).expand(1, 3, -1, -1)

    own = picture(SIZE)
    for size in (16, 24, 256):
        assert (resize(picture(size), SIZE) - own).abs().max() < 2 / size
    assert torch.equal(resize(own, SIZE), own)


def test_weights_are_a_function_of_seed_and_name():
    def weights(seed, name):
        network = ConvRegressor(3, 2)
        network.reset(seed, name)
        return network.stem.weight

    assert torch.equal(weights(0, "judge"), weights(0, "judge"))
    assert not torch.equal(weights(0, "judge"), weights(1, "judge"))
    assert not torch.equal(weights(0, "judge"), weights(0, "teacher"))


def test_what_was_saved_is_loaded_frozen(network, saved):
    loaded = load_regressor(saved)
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    seen = images(2, 32)
    for name in ("z", "pose", "landmarks"):
        assert torch.equal(getattr(loaded(seen), name), getattr(network(seen), name))
    assert yaml.safe_load(saved.read_text())["name"] == "judge"


def change(path, **values):
    info = yaml.safe_load(path.read_text()) | values
    write_description(path, {key: value for key, value in info.items() if value != "gone"})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"format": 9}, "format 9, this version reads 2"),
        ({"width": "gone"}, r"no description of a regressor \('width'\)"),
        ({"width": "wide"}, "no description of a regressor"),
        ({"sha256": "0"}, "content does not match regressor.yaml"),
        ({"width": 5}, r"regressor\.safetensors: weights of another network"),
        ({"weights": "lost.safetensors"}, r"lost\.safetensors: no such file"),
        ({"network": "unheard of"}, "network 'unheard of'"),
    ],
)
def test_a_wrong_file_is_one_line_that_says_what(saved, values, message):
    change(saved, **values)
    with pytest.raises(InputError, match=message) as raised:
        load_regressor(saved)
    assert "\n" not in str(raised.value)


def test_damaged_weights_and_no_file_at_all(saved, tmp_path):
    weights = saved.with_suffix(".safetensors")
    weights.write_bytes(weights.read_bytes()[:-8])
    with pytest.raises(InputError, match=r"does not match regressor\.yaml: make both again"):
        load_regressor(saved)
    with pytest.raises(InputError, match="no such regressor"):
        load_regressor(tmp_path / "nothing.yaml")
    saved.write_text("[")
    with pytest.raises(InputError, match="not valid YAML"):
        load_regressor(saved)
