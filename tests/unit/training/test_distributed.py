import multiprocessing
import os
import socket
from datetime import timedelta
from pathlib import Path

import pytest
import safetensors.torch
import torch

from gof.run.files import InputError
from gof.training.distributed import World, join_world
from gof.training.schedule import plan
from gof.training.steps import discriminator_step, generator_step
from tests.unit.toy_training import Tiny, TinyFaces

STEPS = 50


def train(folder: Path, world: World, conditional: bool) -> None:
    own = folder / f"files-{world.rank}-of-{world.size}"
    tiny = TinyFaces(own, warm=False) if conditional else Tiny(own)
    stages = [stage.model_copy(update={"micro_batch": 2}) for stage in tiny.model.stages]
    tiny.model = tiny.model.model_copy(update={"stages": tuple(stages)})
    task, state, reals = tiny.task(world), tiny.state(), tiny.reals()
    for _ in range(STEPS):
        now = plan(tiny.model, 0, state.step)
        batch = [reals(rows, world.device) for rows in task.rows(now)]
        discriminator_step(state, task, now, batch)
        generator_step(state, task, now)
    path = folder / f"rank{world.rank}-of-{world.size}.safetensors"
    path.write_bytes(safetensors.torch.save(state.tensors()))


def process(folder: Path, rank: int, size: int, port: int, conditional: bool) -> None:
    torch.set_num_threads(1)
    os.environ |= {
        "RANK": str(rank),
        "WORLD_SIZE": str(size),
        "LOCAL_RANK": str(rank),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    with join_world("cpu") as world:
        train(folder, world, conditional)


@pytest.mark.parametrize(("size", "conditional"), [(2, False), (4, False), (2, True)])
def test_several_processes_train_the_model_that_one_trains(
    tmp_path: Path, size: int, conditional: bool
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    workers = [
        context.Process(target=process, args=(tmp_path, rank, size, port, conditional))
        for rank in range(size)
    ]
    for worker in workers:
        worker.start()
    train(tmp_path, World(), conditional)
    for worker in workers:
        worker.join(200)
        assert worker.exitcode == 0
    one = safetensors.torch.load_file(tmp_path / "rank0-of-1.safetensors")
    each = [
        safetensors.torch.load_file(tmp_path / f"rank{rank}-of-{size}.safetensors")
        for rank in range(size)
    ]
    for name, expected in one.items():
        for other in each[1:]:
            assert torch.equal(each[0][name], other[name]), f"{name} differs between processes"
        if name.split(".")[0] in ("generator", "discriminator", "ema"):
            torch.testing.assert_close(each[0][name], expected, atol=1e-5, rtol=1e-5)


def test_shares_partition_the_batch() -> None:
    worlds = [World(rank, 3) for rank in range(3)]
    rows = [row for world in worlds for part in world.micro_batches(24, 4) for row in part]
    assert sorted(rows) == list(range(24))


def test_uneven_shares_are_refused_with_advice() -> None:
    with pytest.raises(InputError, match="choose micro_batch so that 3 divides 4"):
        World(0, 3).micro_batches(16, 4)


def test_a_process_alone_is_the_leading_one() -> None:
    world = World()
    assert (world.rank, world.size, world.device, world.leads) == (0, 1, torch.device("cpu"), True)
    assert not World(1, 2).leads
    assert world.micro_batches(8, 4) == [range(0, 4), range(4, 8)]


def test_gradients_are_summed_in_one_transfer(monkeypatch) -> None:
    sent = []

    def double(flat) -> None:
        sent.append(flat.clone())
        flat.mul_(2)

    monkeypatch.setattr(torch.distributed, "all_reduce", double)
    one, two = torch.nn.Linear(2, 3), torch.nn.Linear(3, 1)
    two.weight.requires_grad_(False)
    one.weight.grad = torch.arange(6.0).view(3, 2)
    one.bias.grad = torch.tensor([7.0, 8.0, 9.0])
    World(0, 1).sum_gradients([one, two])
    assert not sent and two.bias.grad is None
    World(0, 2).sum_gradients([one, two])
    assert [flat.tolist() for flat in sent] == [[0, 1, 2, 3, 4, 5, 7, 8, 9, 0]]
    assert torch.equal(one.weight.grad, 2 * torch.arange(6.0).view(3, 2))
    assert torch.equal(one.bias.grad, torch.tensor([14.0, 16.0, 18.0]))
    assert torch.equal(two.bias.grad, torch.zeros(1)) and two.weight.grad is None
    assert torch.equal(World(0, 1).total(torch.ones(2)), torch.ones(2))
    assert torch.equal(World(0, 2).total(torch.ones(2)), torch.full((2,), 2.0))


def test_several_processes_wait_for_each_other(monkeypatch) -> None:
    waited = []
    monkeypatch.setattr(torch.distributed, "barrier", lambda: waited.append(1))
    World(0, 1).wait()
    assert not waited
    World(1, 2).wait()
    assert waited


class Group:
    """Stands in for the group of processes."""

    def __init__(self, monkeypatch) -> None:
        self.began: list[tuple] = []
        self.ended = 0
        monkeypatch.setattr(
            torch.distributed, "init_process_group", lambda *a, **k: self.began.append((a, k))
        )
        monkeypatch.setattr(torch.distributed, "destroy_process_group", self.end)

    def end(self) -> None:
        self.ended += 1


@pytest.mark.parametrize(
    ("device", "gpus", "backend", "expected"),
    [
        ("cpu", 2, "gloo", "cpu"),
        ("auto", 0, "gloo", "cpu"),
        ("auto", 2, "nccl", "cuda:1"),
        ("cuda", 3, "nccl", "cuda:1"),
    ],
)
def test_processes_find_each_other_and_their_device(
    monkeypatch, device, gpus, backend, expected
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    group = Group(monkeypatch)
    chosen: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    for name, value in {"RANK": "3", "WORLD_SIZE": "6", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    own = {"device_id": torch.device(expected)} if backend == "nccl" else {}
    with pytest.raises(KeyError), join_world(device) as world:
        assert (world.rank, world.size, world.device) == (3, 6, torch.device(expected))
        assert group.began == [((backend,), {"timeout": timedelta(minutes=5), **own})]
        assert chosen == list(own.values())
        assert not group.ended
        raise KeyError
    assert group.ended == 1


def test_a_process_by_itself_joins_no_group(monkeypatch) -> None:
    group = Group(monkeypatch)
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "set_device", lambda _: None)
    for device, expected in (("cpu", "cpu"), ("auto", "cuda:0"), ("cuda", "cuda:0")):
        with join_world(device) as world:
            assert (world.rank, world.size, world.device) == (0, 1, torch.device(expected))
    assert not group.began and not group.ended


def test_processes_that_would_share_a_gpu_are_refused(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for name, value in {"RANK": "2", "WORLD_SIZE": "4", "LOCAL_RANK": "2"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match="more than the 2 GPUs"), join_world("auto"):
        pass


def test_missing_gpu_is_said(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(InputError, match="no GPU is visible"), join_world("cuda"):
        pass
