"""What the trainer survives, seen from outside: after a kill the same command ends in the same
bytes."""

import contextlib
import ctypes
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from gof.run.files import sha256
from tests.fault.conftest import config_in, data_in

slow = pytest.mark.slow
RESULTS = ("state.safetensors", "generator.safetensors", "generator.yaml", "samples.png")


def command(config: Path, data: Path, out: Path, *more: str) -> list[str]:
    call = [sys.executable, "-m", "gof", "train", "--config", str(config), "--model", "gof"]
    return [*call, "--stage", "0", "--data", str(data), "--out", str(out), *more]


def environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1"}


def finish(call: list[str]) -> None:
    done = subprocess.run(call, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def hashes(folder: Path) -> list[str]:
    return [sha256(folder / name) for name in RESULTS]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory) -> list[str]:
    """Hashes of what a training gives that nothing disturbs; places are not in them."""
    place = tmp_path_factory.mktemp("unbroken")
    finish(command(config_in(place), data_in(place), place / "out"))
    return hashes(place / "out")


def checkpoints(out: Path) -> list[Path]:
    return sorted(out.glob("checkpoints/*/step-*"))


def kill_after(call: list[str], out: Path, steps: int, delay: float, number: int) -> int:
    """Start the trainer, let it pass a checkpoint of at least `steps`, wait, send the signal."""
    process = subprocess.Popen(call, env=environment(), stderr=subprocess.DEVNULL)
    limit = time.monotonic() + 100
    while time.monotonic() < limit and process.poll() is None:
        if any(int(path.name[5:]) >= steps for path in checkpoints(out)):
            break
        time.sleep(0.005)
    time.sleep(delay)
    process.send_signal(number)
    return process.wait()


@pytest.mark.parametrize("kills", [5, pytest.param(100, marks=(slow, pytest.mark.timeout(3600)))])
def test_kills_end_in_the_same_bytes(tmp_path, tiny_config, tiny_data, kills) -> None:
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    lengthened = tiny_config.read_text().replace("steps: 40", f"steps: {8 * kills}")
    tiny_config.write_text(lengthened)
    finish(command(tiny_config, tiny_data, unbroken))
    call = command(tiny_config, tiny_data, broken)
    draw = random.Random(0)
    for kill in range(kills):
        status = kill_after(call, broken, 4 + 6 * kill, draw.uniform(0, 0.1), signal.SIGKILL)
        assert status == -signal.SIGKILL
        assert not any((broken / name).exists() for name in RESULTS)
    finish(call)
    assert hashes(broken) == hashes(unbroken)
    assert not list(broken.glob("checkpoints/*/step-*"))


STOPS = [
    (signal.SIGTERM, 143),
    pytest.param(signal.SIGINT, 130, marks=slow),
    pytest.param(signal.SIGHUP, 129, marks=slow),
    pytest.param(signal.SIGUSR1, 138, marks=slow),
]


@pytest.mark.parametrize(("number", "status"), STOPS)
def test_polite_stop_saves_and_goes_on(
    tmp_path, tiny_config, tiny_data, unbroken, number, status
) -> None:
    out = tmp_path / "out"
    call = command(tiny_config, tiny_data, out)
    assert kill_after(call, out, 4, 0.02, number) == status
    assert checkpoints(out) and not (out / "stage.json").exists()
    finish(call)
    assert hashes(out) == unbroken


def test_second_trainer_is_turned_away(tmp_path, tiny_config, tiny_data) -> None:
    out = tmp_path / "out"
    call = command(tiny_config, tiny_data, out)
    first = subprocess.Popen(call, env=environment(), stderr=subprocess.DEVNULL)
    while not checkpoints(out):
        assert first.poll() is None
        time.sleep(0.005)
    first.send_signal(signal.SIGSTOP)
    second = subprocess.run(call, env=environment(), capture_output=True, text=True)
    first.kill()
    first.wait()
    assert second.returncode == 3
    assert f"in use by process {first.pid}" in second.stderr
    finish(call)


def test_other_settings_do_not_resume(tmp_path, tiny_config, tiny_data) -> None:
    out = tmp_path / "out"
    kill_after(command(tiny_config, tiny_data, out), out, 8, 0, signal.SIGKILL)
    tiny_config.write_text(tiny_config.read_text().replace("width: 8,", "width: 12,"))
    finish(command(tiny_config, tiny_data, out))
    fresh = tmp_path / "fresh"
    finish(command(tiny_config, tiny_data, fresh))
    assert hashes(out) == hashes(fresh)


def test_damaged_checkpoint_falls_back_and_ends_the_same(
    tmp_path, tiny_config, tiny_data, unbroken
) -> None:
    out = tmp_path / "out"
    call = command(tiny_config, tiny_data, out)
    kill_after(call, out, 12, 0, signal.SIGKILL)
    newest = checkpoints(out)[-1] / "state.safetensors"
    newest.write_bytes(newest.read_bytes()[:-7])
    finish(call)
    assert hashes(out) == unbroken


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda data: data.unlink(), "manifest.json"),
        (lambda data: data.write_text("{"), "manifest.json"),
        (lambda data: next(data.parent.glob("train-000.*")).write_bytes(b"x"), "train-000."),
    ],
)
def test_bad_data_is_one_line_and_status_3(tmp_path, tiny_config, tiny_data, damage, told) -> None:
    damage(tiny_data)
    call = command(tiny_config, tiny_data, tmp_path / "out")
    done = subprocess.run(call, env=environment(), capture_output=True, text=True)
    assert done.returncode == 3
    assert told in done.stderr and done.stderr.strip().count("\n") == 0


def test_two_processes_end_near_one(tmp_path, tiny_config, tiny_data) -> None:
    import safetensors.torch

    one, two = tmp_path / "one", tmp_path / "two"
    finish(command(tiny_config, tiny_data, one))
    finish(command(tiny_config, tiny_data, two, "--processes", "2", "--device", "cpu"))
    mine = safetensors.torch.load_file(one / "generator.safetensors")
    other = safetensors.torch.load_file(two / "generator.safetensors")
    for name, tensor in mine.items():
        assert (tensor - other[name]).abs().max() < 1e-3, name


def ranks_of(launcher: subprocess.Popen) -> list[psutil.Process]:
    """The processes that train together, in the order of their ranks."""
    found = []
    for process in psutil.Process(launcher.pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "RANK" in process.environ():
                found.append(process)
    return sorted(found, key=lambda process: process.environ()["RANK"])


def wait_for(launcher: subprocess.Popen, out: Path, steps: int) -> None:
    until = time.monotonic() + 100
    while time.monotonic() < until and launcher.poll() is None:
        if any(int(path.name[5:]) >= steps for path in checkpoints(out)):
            return
        time.sleep(0.005)
    raise AssertionError(f"no checkpoint of {steps} steps")


@pytest.mark.parametrize("rank", [0, pytest.param(1, marks=slow)])
def test_a_lost_rank_costs_the_steps_since_the_last_checkpoint(
    tmp_path, tiny_config, tiny_data, rank
) -> None:
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    together = ("--processes", "2", "--device", "cpu")
    finish(command(tiny_config, tiny_data, unbroken, *together))
    launcher = subprocess.Popen(
        command(tiny_config, tiny_data, broken, *together),
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(launcher, broken, 8)
    ranks_of(launcher)[rank].kill()
    _, said = launcher.communicate(timeout=200)
    assert launcher.returncode == 0, said
    assert "all start again (1 of 3)" in said and "going on from step" in said
    assert hashes(broken) == hashes(unbroken)


@pytest.mark.parametrize(("number", "status"), STOPS)
def test_a_stop_of_several_processes_saves_once_and_tells_its_status(
    tmp_path, tiny_config, tiny_data, number, status
) -> None:
    out = tmp_path / "out"
    call = command(tiny_config, tiny_data, out, "--processes", "2", "--device", "cpu")
    launcher = subprocess.Popen(call, env=environment(), stderr=subprocess.PIPE, text=True)
    wait_for(launcher, out, 4)
    launcher.send_signal(number)
    _, said = launcher.communicate(timeout=100)
    assert launcher.returncode == status and "Traceback" not in said
    assert "the same command goes on from here" in said.splitlines()[-1]
    finish(call)


def without_roots_rights() -> None:
    """What is started from here may not write where its owner may not: root otherwise may."""
    ctypes.CDLL(None).prctl(24, 1)  # PR_CAPBSET_DROP, CAP_DAC_OVERRIDE


def test_a_folder_that_cannot_be_written_is_named_before_the_first_step(
    tmp_path, tiny_config, tiny_data
) -> None:
    out = tmp_path / "out"
    out.mkdir(mode=0o555)
    done = subprocess.run(
        command(tiny_config, tiny_data, out),
        env=environment(),
        preexec_fn=without_roots_rights,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 4, done.stderr
    assert done.stderr.count("\n") == 1 and f"{out}: cannot be written" in done.stderr
    assert not list(out.iterdir())


@pytest.mark.parametrize(
    "place",
    [
        "gof.training.loop.generator_step",
        pytest.param("gof.training.loop.discriminator_step", marks=slow),
    ],
)
def test_out_of_memory_leaves_a_checkpoint_and_advice(
    tmp_path, tiny_config, tiny_data, unbroken, place
) -> None:
    module, name = place.rsplit(".", 1)
    out = tmp_path / "out"
    call = command(tiny_config, tiny_data, out)
    body = f"""
import sys, {module} as module
from gof.cli.main import main
real, calls = module.{name}, []
def fails(*given):
    calls.append(1)
    if len(calls) > 10:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")
    return real(*given)
module.{name} = fails
main(sys.argv[1:])
"""
    done = subprocess.run(
        [sys.executable, "-c", body, *call[3:]], env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 4 and "out of memory: a smaller batch" in done.stderr
    assert checkpoints(out)[-1].name == "step-000000008"
    finish(call)
    assert hashes(out) == unbroken
