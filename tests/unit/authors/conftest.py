"""Stand-ins for the authors' files, made once."""

import pytest
import torch

from tests.unit.authors import stand_ins


@pytest.fixture(scope="session")
def tensors():
    """A state dict of GOF's."""
    return stand_ins.state()


@pytest.fixture
def one_thread():
    """Small products take longer on several."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
