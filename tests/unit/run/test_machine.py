"""Calls that one system has and another lacks."""

import os
import resource
import sys
from types import SimpleNamespace

import pytest
import torch

from gof.run import machine
from gof.run.files import InputError


def test_cores_are_those_of_this_process_or_all_there_are(monkeypatch) -> None:
    assert machine.cores() == len(os.sched_getaffinity(0))
    monkeypatch.delattr(os, "sched_getaffinity")
    assert machine.cores() == os.cpu_count()
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert machine.cores() == 1


def test_peak_memory_is_told_in_bytes_on_one_system_and_in_kib_on_another(monkeypatch) -> None:
    usage = {resource.RUSAGE_SELF: 3 * 2**20, resource.RUSAGE_CHILDREN: 5 * 2**20}
    monkeypatch.setattr(resource, "getrusage", lambda who: SimpleNamespace(ru_maxrss=usage[who]))
    for platform, mib in (("linux", 5 * 2**10), ("darwin", 5)):
        monkeypatch.setattr(sys, "platform", platform)
        assert machine.peak_mib() == mib


@pytest.mark.parametrize(
    ("wanted", "asked", "gpus", "device"),
    [
        ("auto", None, 0, "cpu"),
        ("auto", None, 2, "cuda"),
        ("auto", "cpu", 2, "cpu"),
        ("auto", "cuda", 1, "cuda"),
        ("auto", "auto", 1, "cuda"),
        ("cpu", "cuda", 1, "cpu"),
        ("cuda", "cpu", 1, "cuda"),
    ],
)
def test_a_device_is_wanted_here_or_asked_for_before_the_verb_or_found(
    wanted, asked, gpus, device, monkeypatch
) -> None:
    monkeypatch.delenv("GOF_DEVICE", raising=False)
    if asked:
        monkeypatch.setenv("GOF_DEVICE", asked)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    assert machine.device(wanted) == device


def test_a_gpu_that_is_missing_and_a_device_that_is_none_are_said(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setenv("GOF_DEVICE", "cuda")
    with pytest.raises(InputError, match="no GPU is visible: use --device cpu"):
        machine.device()
    monkeypatch.setenv("GOF_DEVICE", "tpu")
    with pytest.raises(InputError, match="GOF_DEVICE: 'tpu': auto, cpu, cuda are known"):
        machine.device()
