"""All that a training step changes, and its flat form for files. Nothing else survives a step."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from gof.models.discriminator import Discriminator
from gof.models.generator import Generator
from gof.models.settings import Networks
from gof.run.files import InputError
from gof.training.settings import Stage, Training
from gof.workarounds.optimizers import Adam

if TYPE_CHECKING:
    from gof.experiment.model import Model

WARM_BETAS = (0.5, 0.999)  # Adam's, while there is no adversary


@dataclass
class TrainState:
    """Networks, averaged generator, optimisers, the number of steps taken, and what the log has
    seen of them.

    history: one entry a log line; window: values since the last one.
    """

    generator: Generator
    discriminator: Discriminator
    ema: Generator
    optimizer_g: Adam
    optimizer_d: Adam
    step: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    window: list[dict[str, float]] = field(default_factory=list)

    @classmethod
    def create(cls, networks: Networks, model: Model, resolution: int, seed: int) -> TrainState:
        """A fresh state of a model, its generator made of `networks`, for images of this
        resolution."""
        training = model.training
        generator = Generator(networks)
        generator.reset(seed)
        discriminator = Discriminator(model.discriminator)
        discriminator.grow(resolution, seed)
        ema = copy.deepcopy(generator).requires_grad_(False)
        return cls(
            generator,
            discriminator,
            ema,
            Adam(_groups(generator), betas=training.betas, fused=True),
            Adam(discriminator.parameters(), betas=training.betas, fused=True),
        )

    def to(self, device: torch.device) -> TrainState:
        """Move networks and optimisers to a device."""
        for module in (self.generator, self.discriminator, self.ema):
            module.to(device)
        for optimizer in (self.optimizer_g, self.optimizer_d):
            optimizer.load_state_dict(optimizer.state_dict())
        return self

    def set_learning_rates(self, stage: Stage, training: Training, factor: float = 1.0) -> None:
        """Learning rates of a stage, times factor; the mapping network's is scaled (a group of its
        own, see `_groups`). A warm start is no game: its mapping network learns at the full rate,
        its moments have a memory."""
        field_group, mapping_group = self.optimizer_g.param_groups
        warm = stage.objective == "geometric"
        field_group["lr"] = stage.lr_generator * factor
        mapping_group["lr"] = field_group["lr"] * (1.0 if warm else training.mapping_lr)
        for group in self.optimizer_g.param_groups:
            group["betas"] = WARM_BETAS if warm else training.betas
        self.optimizer_d.param_groups[0]["lr"] = stage.lr_discriminator * factor

    def update_ema(self, decay: float) -> None:
        """Average the generator's weights in; the decay warms up so that early weights are
        forgotten."""
        decay = min(decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for mean, current in zip(
                self.ema.parameters(), self.generator.parameters(), strict=True
            ):
                mean.lerp_(current, 1 - decay)

    def tensors(self) -> dict[str, Tensor]:
        """Everything but the log, as named tensors on the CPU."""
        flat = {"step": torch.tensor(self.step)}
        for name, module in self._modules().items():
            flat |= {f"{name}.{key}": value for key, value in module.state_dict().items()}
        for name, (optimizer, module) in self._optimizers().items():
            for key, parameter in module.named_parameters():
                moments = optimizer.state.get(parameter, {})
                flat |= {f"{name}.{moment}.{key}": v for moment, v in moments.items()}
        return {key: value.detach().cpu().contiguous() for key, value in flat.items()}

    def fill(self, flat: dict[str, Tensor]) -> None:
        """Take over `tensors()` of a state with the same networks. Raises KeyError or RuntimeError
        otherwise."""
        self.step = int(flat["step"])
        for name, module in self._modules().items():
            prefix = f"{name}."
            module.load_state_dict(
                {k.removeprefix(prefix): v for k, v in flat.items() if k.startswith(prefix)}
            )
        for name, (optimizer, module) in self._optimizers().items():
            for key, parameter in module.named_parameters():
                moments = {
                    moment: flat[f"{name}.{moment}.{key}"].clone()
                    for moment in ("step", "exp_avg", "exp_avg_sq")
                    if f"{name}.{moment}.{key}" in flat
                }
                if moments:
                    optimizer.state[parameter] = moments

    def grow(self, training: Training, resolution: int, seed: int) -> None:
        """Let the discriminator take larger images; what it has learnt stays."""
        moments = {
            key: self.optimizer_d.state[p]
            for key, p in self.discriminator.named_parameters()
            if p in self.optimizer_d.state
        }
        self.discriminator.grow(resolution, seed)
        self.optimizer_d = Adam(self.discriminator.parameters(), betas=training.betas, fused=True)
        for key, parameter in self.discriminator.named_parameters():
            if key in moments:
                self.optimizer_d.state[parameter] = moments[key]

    def _modules(self) -> dict[str, nn.Module]:
        return {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "ema": self.ema,
        }

    def _optimizers(self) -> dict[str, tuple[Adam, nn.Module]]:
        return {
            "adam_generator": (self.optimizer_g, self.generator),
            "adam_discriminator": (self.optimizer_d, self.discriminator),
        }


def _groups(generator: Generator) -> list[dict[str, object]]:
    """Field and mapping network apart, so that the mapping network's learning rate is really its
    own."""
    return [
        {"params": list(generator.field.parameters()), "lr": 0.0},
        {"params": list(generator.mapping.parameters()), "lr": 0.0},
    ]


def read_state(path: Path) -> dict[str, Tensor]:
    """Tensors of a saved state. Raises InputError naming the file."""
    try:
        return safetensors.torch.load_file(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such state: train the stage before first") from None
    except SafetensorError as error:
        reason = f"damaged or not a state ({error})"
        raise InputError(f"{path}: {reason}: delete it and train that stage again") from None
