"""Hashes are checked once a run: by whom, when again, and what is trusted."""

import os
import subprocess
import sys

import numpy as np
import pytest

from gof.data import verification
from gof.data.shards import write_shard
from gof.data.verification import stamp_of, verify
from gof.run.files import VETO, InputError, read_json, write_json


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A manifest with two shards; `hashed` has the names of the files that were hashed."""
    manifest = tmp_path / "manifest.json"
    manifest.write_text("{}")
    own = [write_shard(tmp_path / f"train-{k:03d}", {"a": np.arange(5) + k}) for k in (0, 1)]
    hashed, sha256 = [], verification.sha256

    def counted(path):
        hashed.append(path.name)
        return sha256(path)

    monkeypatch.setattr(verification, "sha256", counted)
    monkeypatch.delenv("GOF_RUN", raising=False)
    new_process(monkeypatch)
    return manifest, own, hashed


def new_process(monkeypatch):
    monkeypatch.setattr(verification, "_whole", {})


def flip(path):
    """Change a byte, and nothing else that can be seen from outside."""
    before, content = path.stat(), bytearray(path.read_bytes())
    content[-1] ^= 1
    with open(path, "r+b") as handle:
        handle.write(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_process_hashes_each_shard_once(data):
    manifest, own, hashed = data
    for _ in range(3):
        verify(manifest, own, "make it again")
    assert hashed == [shard.file for shard in own]
    assert not stamp_of(manifest).exists()  # nobody else belongs to this run


def test_processes_of_a_run_share_what_they_found(data, monkeypatch):
    manifest, own, hashed = data
    monkeypatch.setenv("GOF_RUN", "one")
    verify(manifest, own[:1], "")
    new_process(monkeypatch)
    verify(manifest, own, "")
    new_process(monkeypatch)
    verify(manifest, own, "")
    assert hashed == [own[0].file, own[1].file]
    monkeypatch.setenv("GOF_RUN", "two")
    new_process(monkeypatch)
    verify(manifest, own, "")
    assert len(hashed) == 4
    assert read_json(stamp_of(manifest))["run"] == "two"


@pytest.mark.parametrize("run", [None, "one"])
def test_what_changed_is_hashed_again(data, monkeypatch, run):
    manifest, own, hashed = data
    if run:
        monkeypatch.setenv("GOF_RUN", run)
    verify(manifest, own, "")
    path = manifest.parent / own[1].file
    os.utime(path, ns=(1, 1))
    verify(manifest, own, "")
    assert hashed[2:] == [own[1].file]
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    for _ in range(2):
        with pytest.raises(InputError, match=r"train-001\.\w+\.safetensors: changed.*: again"):
            verify(manifest, own, "again")


def test_another_run_finds_what_a_stamp_of_before_hides(data, monkeypatch):
    manifest, own, _ = data
    monkeypatch.setenv("GOF_RUN", "one")
    verify(manifest, own, "")
    flip(manifest.parent / own[0].file)
    new_process(monkeypatch)
    verify(manifest, own, "")  # the price of looking once
    monkeypatch.setenv("GOF_RUN", "two")
    new_process(monkeypatch)
    with pytest.raises(InputError, match=r"train-000.*changed"):
        verify(manifest, own, "")


def test_a_shard_that_is_replaced_does_not_pass_for_the_one_before(data, monkeypatch):
    manifest, own, hashed = data
    monkeypatch.setenv("GOF_RUN", "one")
    verify(manifest, own, "")
    new_process(monkeypatch)
    other = [own[0].__class__(own[0].file, 5, own[0].bytes, "0" * 64)]
    with pytest.raises(InputError, match="changed"):
        verify(manifest, other, "")
    assert len(hashed) == 3


@pytest.mark.parametrize("variable", ["RANK", "LOCAL_RANK"])
def test_of_the_processes_of_torchrun_only_the_first_hashes(data, monkeypatch, variable):
    manifest, own, hashed = data
    monkeypatch.setenv(variable, "1")
    assert len(verify(manifest, own, "")) == 2
    assert hashed == [] and not stamp_of(manifest).exists()
    monkeypatch.setenv(variable, "0")
    new_process(monkeypatch)
    verify(manifest, own, "")
    assert len(hashed) == 2


def test_the_first_process_of_every_machine_hashes(data, monkeypatch):
    manifest, own, hashed = data
    monkeypatch.setenv("RANK", "8")
    monkeypatch.setenv("LOCAL_RANK", "0")
    verify(manifest, own, "")
    assert len(hashed) == 2


def test_folders_that_cannot_be_written_are_read(data, monkeypatch):
    manifest, own, hashed = data
    monkeypatch.setenv("GOF_RUN", "one")

    def full(path, value):
        raise verification.MachineError("read-only")

    monkeypatch.setattr(verification, "write_json", full)
    verify(manifest, own, "")
    new_process(monkeypatch)
    verify(manifest, own, "")
    assert len(hashed) == 4 and not stamp_of(manifest).exists()


@pytest.mark.parametrize("content", ["my notes", "[1]", '{"run": "one"}', '{"a": 1, "b": 2}'])
def test_a_file_that_is_no_stamp_is_left_alone(data, monkeypatch, content):
    manifest, own, hashed = data
    stamp_of(manifest).write_text(content)
    monkeypatch.setenv("GOF_RUN", "one")
    verify(manifest, own, "")
    assert stamp_of(manifest).read_text() == content and len(hashed) == 2


def test_a_stamp_of_nonsense_is_no_proof(data, monkeypatch):
    manifest, own, hashed = data
    write_json(stamp_of(manifest), {"run": "one", "whole": [1]})
    monkeypatch.setenv("GOF_RUN", "one")
    verify(manifest, own, "")
    assert len(hashed) == 2


def test_a_job_does_not_own_the_stamp(data, monkeypatch):
    manifest, own, _ = data
    monkeypatch.setenv("GOF_RUN", "one")

    def refuse(path):
        raise InputError(f"{path}: not ours")

    token = VETO.set(refuse)
    try:
        verify(manifest, own, "")
        assert VETO.get() is refuse
    finally:
        VETO.reset(token)
    assert stamp_of(manifest).exists()


def test_missing_shards_are_named(data):
    manifest, own, _ = data
    (manifest.parent / own[1].file).unlink()
    with pytest.raises(InputError, match=r"train-001.*: no such file.*: make it again"):
        verify(manifest, own, "make it again")


def test_two_processes_at_once_hash_each_shard_once(data, monkeypatch):
    manifest, own, _ = data
    script = f"""
import sys, time
from pathlib import Path
from gof.data import verification
from gof.data.shards import Shard
sha256 = verification.sha256
def slow(path):
    time.sleep(0.2)
    print(path.name)
    return sha256(path)
verification.sha256 = slow
verification.verify(Path({str(manifest)!r}), {own!r}, "")
"""
    environment = os.environ | {"GOF_RUN": "shared"}
    call = [sys.executable, "-c", script]
    both = [
        subprocess.Popen(call, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    said = "".join(process.communicate(timeout=100)[0] for process in both)
    assert all(process.returncode == 0 for process in both)
    assert sorted(said.split()) == [shard.file for shard in own]
