"""Files as the authors' code writes them, of random weights that show something like a head."""

from __future__ import annotations

import sys
import types
from collections import OrderedDict
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from tests.unit.authors.released import features, style_of

CURRICULUM = {
    0: {"batch_size": 16, "img_size": 32, "gen_lr": 5e-5},
    20000: {"batch_size": 8, "img_size": 64, "gen_lr": 5e-5},
    160000: {"batch_size": 4, "img_size": 128, "gen_lr": 4e-6},
    200000: {},
    **{"fov": 12, "ray_start": 0.88, "ray_end": 1.12, "sample_dist": "gaussian"},
    **{"h_stddev": 0.3, "v_stddev": 0.155, "h_mean": np.pi / 2, "v_mean": np.pi / 2},
    **{"latent_dim": 256, "model": "SPATIALSIRENBASELINE", "generator": "ImplicitGenerator3d"},
    **{"dataset": "CelebA", "clamp_mode": "relu", "last_back": False, "eval_last_back": True},
    **{"pred_occ": True, "interval_max": 0.12, "interval_min": 0.03, "surface_sample": True},
    **{"n_secant_steps": 4, "tau": 0.5, "betas": (0, 0.9)},
    **{"num_steps_surface": 9, "num_steps_coarse": 9, "num_steps_fine": 6},
}


def latent_of(seed: int, size: int = 256) -> torch.Tensor:
    """z [1, size] as their scripts draw it on a CPU."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return torch.randn((1, size))


def draws_of(seed: int, size: int = 256) -> tuple[np.ndarray, np.ndarray]:
    """z [1, size], and the latents [10000, size] that they then draw for the mean head."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return tuple(torch.randn((count, size)).double().numpy() for count in (1, 10_000))


def state(latent: int = 256, side: float = 0.24, radius: float = 0.075) -> OrderedDict:
    """A state dict of theirs, random but smooth, whose head is fitted so that raw outputs are
    those of an ellipsoid, 15 in its middle, for the latent of seed 0. side: of their scene."""
    draws = np.random.default_rng(7)
    found: OrderedDict[str, np.ndarray] = OrderedDict()

    def linear(name: str, shape: tuple[int, int], bound: float) -> None:
        found[f"{name}.weight"] = draws.uniform(-bound, bound, shape)
        found[f"{name}.bias"] = draws.uniform(-1, 1, shape[0]) / np.sqrt(shape[1])

    first = 0.05 * side / 0.24 * 0.075 / radius
    for i in range(8):
        inputs = 256 if i else 3
        linear(
            f"siren.network.{i}.layer", (256, inputs), 0.7 * np.sqrt(6 / 256) / 25 if i else first
        )
    linear("siren.final_layer", (1, 256), 0.1)
    linear("siren.color_layer_sine.layer", (256, 259), 5 * np.sqrt(6 / 259) / 25)
    linear("siren.color_layer_linear.0", (3, 256), 0.3)
    for i, (inputs, outputs) in enumerate([(latent, 256), (256, 256), (256, 256), (256, 4608)]):
        bound = (1 if i < 3 else 0.25) * np.sqrt(6 / inputs)
        linear(f"siren.mapping_network.network.{2 * i}", (outputs, inputs), bound)
    points = draws.uniform(-1.9, 1.9, (4000, 3)) * radius
    style = style_of(found, latent_of(0, latent)[0].double().numpy())
    seen = np.hstack([features(found, style, points, side), np.ones((len(points), 1))])
    away = np.linalg.norm(points / [1, 1.3, 1], axis=1)
    target = 15 * (1 - away / radius)
    solved = np.linalg.solve(seen.T @ seen + 1e-2 * np.eye(257), seen.T @ target)
    found["siren.final_layer.weight"] = solved[None, :-1]
    found["siren.final_layer.bias"] = solved[-1:]
    return OrderedDict((n, torch.tensor(v, dtype=torch.float32)) for n, v in found.items())


def doubles(tensors: OrderedDict) -> dict[str, np.ndarray]:
    """The same numbers for `released`."""
    return {name: tensor.double().numpy() for name, tensor in tensors.items()}


@contextmanager
def _module(name: str, made: type):
    """A module that is not installed, while this lasts, with one class."""
    parts = name.split(".")
    modules = {".".join(parts[: i + 1]): None for i in range(len(parts))}
    for one in modules:
        sys.modules[one] = types.ModuleType(one)
    made.__module__ = name
    made.__qualname__ = made.__name__
    setattr(sys.modules[name], made.__name__, made)
    try:
        yield made
    finally:
        for one in modules:
            del sys.modules[one]


def write_ema(path: Path, tensors: OrderedDict) -> Path:
    """ema.pth: torch_ema's class, pickled whole."""
    kind = type("ExponentialMovingAverage", (), {})
    with _module("torch_ema.ema", kind):
        average = kind()
        average.decay, average.num_updates = 0.999, 200000
        average.shadow_params = list(tensors.values())
        average.collected_params = []
        torch.save(average, path)
    return path


def write_module(path: Path, tensors: OrderedDict) -> Path:
    """generator.pth of pi-GAN: the module of its own code, pickled whole."""
    kind = type("ImplicitGenerator3d", (torch.nn.Module,), {})
    with _module("generators.generators", kind):
        module = kind()
        module.weights = torch.nn.ParameterList(tensors.values())
        torch.save(module, path)
    return path


def write_options(path: Path, curriculum: dict) -> Path:
    """options.txt, of which only the last line is read."""
    lines = ["Namespace(n_epochs=3000, output_dir='x')", "", "ImplicitGenerator3d(", ")", ""]
    path.write_text("\n".join([*lines, str(curriculum)]))
    return path
