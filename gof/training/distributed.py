"""Several processes, one model: each takes every size-th micro-batch, gradients are summed, so any
number of processes that divides the micro-batches trains the same model to rounding."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn

from gof.run import machine
from gof.run.files import InputError


@dataclass(frozen=True, slots=True)
class World:
    """This process among all: rank, size and device."""

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def leads(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.rank == 0

    def micro_batches(self, batch: int, micro: int) -> list[range]:
        """Global sample numbers, within a step, of the micro-batches of this process.

        Raises InputError when the processes cannot share them evenly.
        """
        count = batch // micro
        if count % self.size:
            raise InputError(
                f"models.*.stages: batch {batch} in micro-batches of {micro} cannot be shared by"
                f" {self.size} processes: choose micro_batch so that {self.size} divides {count}"
            )
        return [range(m * micro, (m + 1) * micro) for m in range(self.rank, count, self.size)]

    def sum_gradients(self, modules: Iterable[nn.Module]) -> None:
        """Sum gradients over processes, in one transfer; parameters without a gradient count as
        zero."""
        if self.size == 1:
            return
        parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        flat = torch.cat([g.flatten() for g in grads])
        dist.all_reduce(flat)
        sizes = [g.numel() for g in grads]
        for p, piece in zip(parameters, flat.split(sizes), strict=True):
            p.grad = piece.view_as(p)

    def total(self, values: Tensor) -> Tensor:
        """Sum of a tensor over processes."""
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def wait(self) -> None:
        """Wait for all processes."""
        if self.size > 1:
            dist.barrier()


@contextmanager
def join_world(device: str) -> Iterator[World]:
    """The world torchrun describes in the environment, or this process alone.

    device: "cpu", "cuda" or "auto" (a GPU where there is one). Raises InputError when a GPU is
    asked for and missing, and where processes would have to share one.
    """
    rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    on_gpu = machine.device(device) == "cuda"
    here = torch.device("cpu")
    if on_gpu:
        local, count = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
        if local >= count:
            raise InputError(
                f"--processes: one more than the {count} GPUs that are visible: start no more than"
                " these, or add --device cpu"
            )
        here = torch.device("cuda", local)
        torch.cuda.set_device(here)  # what is not told where to go must not go to the first one
    if size == 1:
        yield World(0, 1, here)
        return
    # A rank that fails must not leave the others waiting for ever.
    limit = timedelta(minutes=5)
    if on_gpu:
        dist.init_process_group("nccl", timeout=limit, device_id=here)
    else:
        dist.init_process_group("gloo", timeout=limit)
    try:
        yield World(rank, size, here)
    finally:
        dist.destroy_process_group()
