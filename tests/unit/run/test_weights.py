"""Weights from anywhere: none of them runs anything."""

import io
import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch

from gof.data.assets import assets
from gof.metrics.networks import inception
from gof.run.files import InputError, sha256
from gof.run.tensors import fill
from gof.run.weights import read_weights, serving


class Command:
    """What a pickle can do when it is loaded."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return os.system, (f"touch {self.trace}",)


def legacy_with_zip(trace: Path) -> bytes:
    """Tensors as torch wrote them before 1.6, and behind them a zip whose only member is a pickle
    with a command: what torch.hub unpacks and loads without a check."""
    tensors = io.BytesIO()
    torch.save({"weight": torch.zeros(2)}, tensors, _use_new_zipfile_serialization=False)
    bomb = io.BytesIO()
    torch.save(Command(trace), bomb, _use_new_zipfile_serialization=False)
    both = io.BytesIO(tensors.getvalue())
    with zipfile.ZipFile(both, "a") as archive:
        archive.writestr("weights.pth", bomb.getvalue())
    return both.getvalue()


def test_the_file_does_run_its_command_where_torch_hub_loads_it(tmp_path):
    # else the next tests would show nothing
    (tmp_path / "w.pth").write_bytes(legacy_with_zip(tmp_path / "ran"))
    torch.hub.load_state_dict_from_url("file:///w.pth", str(tmp_path))
    assert (tmp_path / "ran").exists()


def test_a_zip_behind_tensors_is_not_looked_into(tmp_path):
    (tmp_path / "w.pth").write_bytes(legacy_with_zip(tmp_path / "ran"))
    try:
        assert list(read_weights(tmp_path / "w.pth")) == ["weight"]
    except InputError as error:
        assert "w.pth" in str(error)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("hash_known", [True, False])
def test_inception_runs_no_command_of_a_weights_file(tmp_path, monkeypatch, hash_known):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    file = tmp_path / "checkpoints" / assets()["inception"].file
    file.parent.mkdir()
    file.write_bytes(legacy_with_zip(tmp_path / "ran"))
    if hash_known:  # as if the published file were this one
        own = assets()["inception"].model_copy(update={"sha256": sha256(file)[:8]})
        monkeypatch.setitem(assets(), "inception", own)
    with pytest.raises(InputError, match=assets()["inception"].file):
        inception.inception()
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<html>404</html>", "not a file of weights"),
        (b"", "not a file of weights"),
        (pickle.dumps([1, 2], protocol=2), "not a file of weights"),
        ([torch.zeros(2)], "holds a list"),
        (None, "holds a NoneType"),
        ({"a": {"b": torch.tensor([1.0, torch.nan])}}, r"a\.b holds numbers that are not finite"),
    ],
)
def test_what_is_no_weights_is_refused_in_one_line(tmp_path, content, said):
    path = tmp_path / "w.pth"
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    with pytest.raises(InputError, match=said) as caught:
        read_weights(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_pickle_with_a_command_is_refused_and_not_run(tmp_path):
    (tmp_path / "w.pth").write_bytes(pickle.dumps(Command(tmp_path / "ran"), protocol=2))
    with pytest.raises(InputError):
        read_weights(tmp_path / "w.pth")
    assert not (tmp_path / "ran").exists()


def test_a_wrong_hash_is_refused(tmp_path):
    torch.save({"a": torch.ones(1)}, tmp_path / "w.pth")
    assert list(read_weights(tmp_path / "w.pth", sha256=sha256(tmp_path / "w.pth")[:9])) == ["a"]
    with pytest.raises(InputError, match="delete it and get it again"):
        read_weights(tmp_path / "w.pth", sha256="0123456789")


def test_weights_of_another_network_name_the_layer(tmp_path):
    with pytest.raises(InputError, match=r"w\.pth: weights of another network .*bias"):
        fill(torch.nn.Linear(2, 2), {"weight": torch.zeros(2, 2)}, tmp_path / "w.pth")


def test_packages_are_served_checked_weights_and_nothing_else(tmp_path):
    torch.save({"a": torch.ones(1)}, tmp_path / "other.pth")
    with serving({"w.pth": {"a": torch.zeros(1)}}):
        assert torch.load("/anywhere/w.pth")["a"] == 0
        with pytest.raises(InputError, match=r"other\.pth"):
            torch.load(tmp_path / "other.pth", weights_only=True)
    assert torch.load(tmp_path / "other.pth", weights_only=True)["a"] == 1
