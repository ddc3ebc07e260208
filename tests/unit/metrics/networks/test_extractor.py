import torch

from gof.geometry.images import resize
from gof.metrics.networks.efficientnet import EfficientNetLite0
from gof.metrics.networks.extractor import Extractor


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
