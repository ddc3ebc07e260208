"""Randomness is derived, never stored: a stream is a function of (seed, purpose, step, index).

So a resumed run repeats an unbroken one, a sample does not depend on the batch or process it is in,
and nothing draws from a global generator.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

from gof.run import philox


def derive(seed: int, purpose: str, *indices: int) -> int:
    """A 63-bit seed for one purpose, e.g. `derive(0, "latent", step, image)`."""
    text = f"{seed}/{purpose}/" + "/".join(str(i) for i in indices)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def generator(seed: int, purpose: str, *indices: int, device: str = "cpu") -> torch.Generator:
    """A torch generator for one purpose."""
    return torch.Generator(device).manual_seed(derive(seed, purpose, *indices))


class Streams:
    """One independent stream for each image of a batch."""

    def __init__(self, seeds: Sequence[int], device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self._generators = [torch.Generator(self.device).manual_seed(s) for s in seeds]

    def __len__(self) -> int:
        return len(self._generators)

    def __getitem__(self, rows: slice) -> Streams:
        """The streams of some of the images; what is drawn from them is drawn from these."""
        some = Streams([], self.device)
        some._generators = self._generators[rows]
        return some

    def uniform(self, *shape: int) -> Tensor:
        """[len(self), *shape] draws from [0, 1)."""
        draws = [torch.rand(shape, generator=g, device=self.device) for g in self._generators]
        return torch.stack(draws)

    def normal(self, *shape: int) -> Tensor:
        """[len(self), *shape] draws from N(0, 1)."""
        draws = [torch.randn(shape, generator=g, device=self.device) for g in self._generators]
        return torch.stack(draws)


def streams(
    seed: int, purpose: str, indices: Sequence[int], device: torch.device | str = "cpu"
) -> Streams:
    """Streams for the images with these indices, e.g. global sample numbers of a step."""
    return Streams([derive(seed, purpose, index) for index in indices], device)


def by_torch(seeds: Sequence[int], size: int, device: str) -> Tensor:
    """N(0, I) [n, size], on the CPU, as `torch.manual_seed(k); torch.randn(1, size)` draws it for
    each seed k on a device, cpu or gpu; no global generator is touched and no GPU needed."""
    if device == "gpu":
        return torch.stack([torch.from_numpy(philox.normal(k, size)) for k in seeds])
    draws = [torch.randn(1, size, generator=torch.Generator().manual_seed(k)) for k in seeds]
    return torch.cat(draws)
