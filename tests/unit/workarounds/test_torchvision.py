import importlib.util
import subprocess
import sys

import pytest

from gof.workarounds import torchvision as shim

IMPORTS = """
from gof.workarounds.torchvision import make_torchvision_importable
make_torchvision_importable()
make_torchvision_importable()
import torchvision, pytorch_fid.inception, pytorch_fid.fid_score, face_alignment
from face_alignment.detection import retinaface
import torch
assert torch.ops.torchvision.nms is not None
"""


def test_torchvision_and_what_needs_it_import() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_nothing_is_declared_where_the_compiled_operators_load(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shim, "_loads", lambda folder: True)
    assert shim.make_torchvision_importable.__wrapped__() == ()


def test_nothing_is_declared_without_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert shim.make_torchvision_importable.__wrapped__() == ()
