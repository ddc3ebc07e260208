"""Calls that one system has and another lacks."""

import os
import resource
import sys
from types import SimpleNamespace

from gof.run import machine


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
