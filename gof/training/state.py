"""All that a training step changes, and its flat form for files. Nothing else survives a step."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from gof.models.discriminator import Discriminator
from gof.models.generator import Generator
from gof.models.settings import Networks
from gof.run.files import InputError, atomic_write
from gof.run.tensors import read_tensors, tensor_bytes
from gof.training.budget import Span
from gof.training.settings import Stage, Training
from gof.workarounds.optimizers import Adam

if TYPE_CHECKING:
    from gof.experiment.model import Model

MOMENTS = ("step", "exp_avg", "exp_avg_sq")  # what Adam keeps of a parameter
WARM_BETAS = (0.5, 0.999)  # Adam's, while there is no adversary


@dataclass
class TrainState:
    """Networks, averaged generator, optimisers, the number of steps taken, and what the log has
    seen of them.

    span: the steps of this stage, where budgets of minutes decide; history: one entry a log line;
    window: values since the last one.
    """

    generator: Generator
    discriminator: Discriminator
    ema: Generator
    optimizer_g: Adam
    optimizer_d: Adam
    step: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    window: list[dict[str, float]] = field(default_factory=list)
    span: Span | None = None

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
        if self.span is not None:
            flat["span"] = torch.tensor(astuple(self.span))
        for name, module in self._modules().items():
            flat |= {f"{name}.{key}": value for key, value in module.state_dict().items()}
        for name, (optimizer, module) in self._optimizers().items():
            for key, parameter in module.named_parameters():
                moments = optimizer.state.get(parameter, {})
                flat |= {f"{name}.{moment}.{key}": v for moment, v in moments.items()}
        return {key: value.detach().cpu().contiguous() for key, value in flat.items()}

    def fill(self, flat: Mapping[str, Tensor]) -> None:
        """Take over `tensors()` of a state with the same networks. Raises ValueError, which says
        what does not fit, before anything changes."""
        modules, step, span = self._modules(), step_of(flat), span_of(flat)
        wanted = {
            f"{m}.{key}": v for m, own in modules.items() for key, v in own.state_dict().items()
        }
        for name, (_, module) in self._optimizers().items():
            for key, parameter in module.named_parameters():
                like = parameter.detach()
                found = {f"{name}.{moment}.{key}": like for moment in MOMENTS}
                found[f"{name}.step.{key}"] = torch.zeros(())
                if found.keys() & flat.keys():  # of layers that no gradient has reached: none
                    wanted |= found
        if step and not any(key.startswith("adam_generator.") for key in wanted):
            raise ValueError("it lacks the optimiser's moments")
        _must_match(wanted, flat)
        self.step, self.span = step, span
        for name, module in modules.items():
            module.load_state_dict(_below(flat, name))
        for name, (optimizer, module) in self._optimizers().items():
            for key, parameter in module.named_parameters():
                if f"{name}.step.{key}" in wanted:
                    moments = {moment: flat[f"{name}.{moment}.{key}"] for moment in MOMENTS}
                    optimizer.state[parameter] = {m: v.clone() for m, v in moments.items()}

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


def step_of(flat: Mapping[str, Tensor]) -> int:
    """Steps that a saved state has taken. Raises ValueError where it does not say."""
    step = flat.get("step")
    if step is None or step.dtype != torch.int64 or step.dim() or int(step) < 0:
        raise ValueError("it has no number of steps")
    return int(step)


def span_of(flat: Mapping[str, Tensor]) -> Span | None:
    """The steps of the stage that a saved state is of; None where no budget decides. Raises
    ValueError for what is none."""
    span = flat.get("span")
    if span is None:
        return None
    if span.dtype != torch.int64 or span.shape != (3,) or bool((span < 0).any()):
        raise ValueError("its span is none")
    return Span(*span.tolist())


def _below(flat: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """What stands under a name, without it."""
    return {k.removeprefix(f"{name}."): v for k, v in flat.items() if k.startswith(f"{name}.")}


def _must_match(wanted: Mapping[str, Tensor], flat: Mapping[str, Tensor]) -> None:
    """Raise ValueError for the first tensor that is missing, too many, of another shape or kind."""
    for name, own in wanted.items():
        if name not in flat:
            raise ValueError(f"it lacks {name}")
        if (flat[name].shape, flat[name].dtype) != (own.shape, own.dtype):
            found, shape = flat[name], list(own.shape)
            raise ValueError(
                f"{name} is {found.dtype} {list(found.shape)}, not {own.dtype} {shape}"
            )
    if more := sorted(flat.keys() - wanted.keys() - {"step", "span"}):
        raise ValueError(f"these networks have no {more[0]}")


def write_state(path: Path, state: TrainState) -> None:
    """Write all of a state but its log, with a seal."""
    atomic_write(path, tensor_bytes(state.tensors()))


def read_state(path: Path) -> dict[str, Tensor]:
    """Tensors of a saved state. Raises InputError naming the file."""
    if not path.exists():
        raise InputError(f"{path}: no such state: train the stage before first")
    return read_tensors(path)
