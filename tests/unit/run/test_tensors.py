"""Tensors as files: nothing that was not written comes back."""

import json
import time

import pytest
import safetensors.torch
import torch

from gof.run.files import InputError
from gof.run.tensors import LARGEST_HEADER, fill, read_tensors, tensor_bytes

OURS = {"a": torch.arange(6.0).reshape(2, 3), "step": torch.tensor(7)}


def test_they_come_back_as_they_were_and_are_the_same_bytes_each_time(tmp_path) -> None:
    path = tmp_path / "t.safetensors"
    path.write_bytes(tensor_bytes(OURS))
    found = read_tensors(path)
    assert found.keys() == OURS.keys()
    assert all(torch.equal(found[name], OURS[name]) for name in OURS)
    assert tensor_bytes(dict(reversed(OURS.items()))) == tensor_bytes(OURS)


def test_every_single_flipped_bit_is_found(tmp_path) -> None:
    path, content = tmp_path / "t.safetensors", tensor_bytes(OURS)
    for bit in range(8 * len(content)):
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        with pytest.raises(InputError, match=r"t\.safetensors: "):
            read_tensors(path)


@pytest.mark.parametrize("length", [0, 4, 8, 60, -1])
def test_every_cut_is_found(tmp_path, length) -> None:
    path = tmp_path / "t.safetensors"
    path.write_bytes(tensor_bytes(OURS)[:length])
    with pytest.raises(InputError, match=r"t\.safetensors: damaged or no safetensors file"):
        read_tensors(path)


@pytest.mark.parametrize(
    ("tensor", "said"),
    [
        (torch.tensor([1.0, float("nan")]), "a holds numbers that are not finite"),
        (torch.tensor([1.0, float("inf")]), "a holds numbers that are not finite"),
        (torch.zeros(2, dtype=torch.int8), r"a holds torch\.int8"),
        (torch.zeros(2, dtype=torch.bfloat16), r"a holds torch\.bfloat16"),
    ],
)
def test_kinds_that_are_never_written_are_refused(tmp_path, tensor, said) -> None:
    path = tmp_path / "t.safetensors"
    path.write_bytes(tensor_bytes({"a": tensor}))
    with pytest.raises(InputError, match=said):
        read_tensors(path)


def test_a_header_of_many_tensors_is_refused_before_it_is_parsed(tmp_path) -> None:
    path = tmp_path / "t.safetensors"
    entry = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    header = json.dumps({f"tensor {n}": entry for n in range(60_000)}).encode()
    assert len(header) > LARGEST_HEADER
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    start = time.perf_counter()
    with pytest.raises(InputError, match=r"\(a header of "):
        read_tensors(path)
    assert time.perf_counter() - start < 1


def test_a_file_of_another_writer_is_refused(tmp_path) -> None:
    path = tmp_path / "t.safetensors"
    path.write_bytes(safetensors.torch.save(OURS))
    with pytest.raises(InputError, match="changed since it was written, or by an older version"):
        read_tensors(path)


def test_numbers_of_another_kind_do_not_become_weights(tmp_path) -> None:
    layer = torch.nn.Linear(2, 1)
    whole = {name: torch.ones_like(value) for name, value in layer.state_dict().items()}
    with pytest.raises(InputError, match=r"w\.pth: .*\(it lacks or mistakes bias\)"):
        fill(layer, whole | {"bias": torch.ones(1, dtype=torch.int64)}, tmp_path / "w.pth")
    fill(layer, whole, tmp_path / "w.pth")
    assert torch.equal(layer.weight, torch.ones(1, 2))
