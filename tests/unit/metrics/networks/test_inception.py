from pathlib import Path

import pytest
import torch

from gof.metrics.networks import inception as module
from gof.metrics.networks.inception import INCEPTION_FILE, inception
from gof.run.files import InputError, sha256


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
    module.make_torchvision_importable()
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
    monkeypatch.setattr(module, "INCEPTION_SHA256", sha256(file)[:8])
    found = inception()
    assert found is not None and found.metric == "fid" and found.sha256 == sha256(file)
    images = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8)
    assert found(images).shape == (3, 2048)
