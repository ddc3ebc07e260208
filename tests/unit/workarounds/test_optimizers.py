import subprocess
import sys

import pytest
import torch

from gof.workarounds import optimizers

STEPS = """
import sys
import torch
from gof.workarounds.optimizers import Adam, AdamW
for kind in (Adam, AdamW):
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = kind([weight], 0.1, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=5)
    for _ in range(3):
        optimizer.zero_grad(set_to_none=True)
        weight.square().sum().backward()
        optimizer.step()
        schedule.step()
    optimizer.load_state_dict(optimizer.state_dict())
print(*(name for name in ("torch._dynamo", "sympy") if name in sys.modules))
"""


def test_optimisers_do_not_import_the_compiler() -> None:
    done = subprocess.run([sys.executable, "-c", STEPS], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "\n"), done.stderr


@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_optimisers_are_those_of_torch(name: str) -> None:
    found = []
    for module in (optimizers, torch.optim):
        weight = torch.nn.Parameter(torch.linspace(-1, 1, 7))
        optimizer = getattr(module, name)([{"params": [weight], "lr": 0.05}], fused=True)
        for step in range(4):
            optimizer.zero_grad(set_to_none=True)
            ((weight - step).square() * weight).sum().backward()
            optimizer.step()
        found.append((weight.detach(), optimizer.state[weight]["exp_avg_sq"]))
    for ours, theirs in zip(*found, strict=True):
        assert torch.equal(ours, theirs)
