"""Optimisers of torch that import no compiler: each imports it, which takes as long as the rest of
torch, to say that it must not be compiled."""

from __future__ import annotations

import inspect

import torch
from torch.optim import Optimizer


class _Uncompiled:
    """Methods of an optimiser without the wrappers that import torch._dynamo."""

    add_param_group = inspect.unwrap(Optimizer.add_param_group)
    load_state_dict = inspect.unwrap(Optimizer.load_state_dict)
    state_dict = inspect.unwrap(Optimizer.state_dict)
    zero_grad = inspect.unwrap(Optimizer.zero_grad)


class Adam(_Uncompiled, torch.optim.Adam):
    """torch.optim.Adam without an import of the compiler."""

    step = torch.no_grad()(inspect.unwrap(torch.optim.Adam.step))


class AdamW(_Uncompiled, torch.optim.AdamW):
    """torch.optim.AdamW without an import of the compiler."""

    step = torch.no_grad()(inspect.unwrap(torch.optim.AdamW.step))
