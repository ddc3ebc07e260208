import pytest
import torch

from gof.metrics.networks.efficientnet import EfficientNetLite0


@pytest.fixture(scope="session")
def random_network() -> EfficientNetLite0:
    network = EfficientNetLite0()
    draws = torch.Generator().manual_seed(0)
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape, generator=draws) * 0.1 + 0.02)
    return network.eval().requires_grad_(False)
