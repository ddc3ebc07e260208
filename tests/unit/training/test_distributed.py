import multiprocessing
import os
import socket
from pathlib import Path

import pytest
import safetensors.torch
import torch

from gof.run.files import InputError
from gof.training.distributed import World, join_world
from gof.training.schedule import plan
from gof.training.steps import discriminator_step, generator_step
from tests.unit.toy_training import Tiny, TinyFaces


def train(folder: Path, world: World, steps: int, conditional: bool) -> None:
    own = folder / f"files-{world.rank}-of-{world.size}"
    tiny = TinyFaces(own, warm=False) if conditional else Tiny(own)
    task, state, reals = tiny.task(world), tiny.state(), tiny.reals()
    for _ in range(steps):
        now = plan(tiny.model, 0, state.step)
        batch = [reals(rows, world.device) for rows in task.rows(now)]
        discriminator_step(state, task, now, batch)
        generator_step(state, task, now)
    path = folder / f"rank{world.rank}-of-{world.size}.safetensors"
    path.write_bytes(safetensors.torch.save(state.tensors()))


def process(folder: Path, rank: int, port: int, steps: int, conditional: bool) -> None:
    torch.set_num_threads(1)
    os.environ |= {
        "RANK": str(rank),
        "WORLD_SIZE": "2",
        "LOCAL_RANK": str(rank),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    with join_world("cpu") as world:
        train(folder, world, steps, conditional)


@pytest.mark.parametrize("conditional", [False, True])
def test_two_processes_train_the_model_that_one_trains(tmp_path: Path, conditional: bool) -> None:
    steps = 4
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    workers = [
        context.Process(target=process, args=(tmp_path, rank, port, steps, conditional))
        for rank in range(2)
    ]
    for worker in workers:
        worker.start()
    train(tmp_path, World(), steps, conditional)
    for worker in workers:
        worker.join(120)
        assert worker.exitcode == 0
    one = safetensors.torch.load_file(tmp_path / "rank0-of-1.safetensors")
    two = [safetensors.torch.load_file(tmp_path / f"rank{r}-of-2.safetensors") for r in range(2)]
    for name, expected in one.items():
        assert torch.equal(two[0][name], two[1][name]), f"{name} differs between the processes"
        if name.split(".")[0] in ("generator", "discriminator", "ema"):
            torch.testing.assert_close(two[0][name], expected, atol=2e-5, rtol=1e-4)


def test_shares_partition_the_batch() -> None:
    worlds = [World(rank, 3) for rank in range(3)]
    rows = [row for world in worlds for part in world.micro_batches(24, 4) for row in part]
    assert sorted(rows) == list(range(24))


def test_uneven_shares_are_refused_with_advice() -> None:
    with pytest.raises(InputError, match="choose micro_batch so that 3 divides 4"):
        World(0, 3).micro_batches(16, 4)


def test_missing_gpu_is_said(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(InputError, match="no GPU is visible"), join_world("cuda"):
        pass
