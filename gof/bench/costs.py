"""Hours, memory and room that trainings take on GPUs, projected from steps that were measured on
one."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from gof.bench.jobs import CostsJob
from gof.experiment.config import Config
from gof.experiment.model import Model
from gof.models.discriminator import Discriminator
from gof.models.generator import Generator
from gof.report.typeset import Cell, Table
from gof.run.files import InputError
from gof.training.settings import Stage

MACHINE = "one NVIDIA H200 (torch 2.11.0+cu130, fused kernels, R1 in every step)"
LAYERS, WIDTH, POINTS = 8, 256, 28  # of the steps that were measured: the paper's, for BFM
# By resolution: images of a micro-batch, ms of a step of one, GiB at most, as docs/gpu/contact.json
# has them.
STEPS = {32: (128, 175.2, 3.32), 64: (64, 252.7, 3.2), 128: (32, 413.5, 3.42)}
LAUNCHES = 39.0  # ms that a micro-batch takes however small it is: 48.7, of which a fifth busy
CONDITIONAL = 3.2  # times as long as an image of GOF takes one of cGOF with all its losses
KEPT = 3  # states of a stage at most: two checkpoints and its end


@dataclass(frozen=True, slots=True)
class Cost:
    """What a training takes: hours, GiB of the memory of each GPU, GiB on disk."""

    hours: float
    memory: float
    disk: float


def _measured(resolution: int) -> tuple[int, float, float]:
    """The step of the resolution, else of the nearest one below, its images so many fewer."""
    known = max([size for size in STEPS if size <= resolution], default=min(STEPS))
    images, ms, memory = STEPS[known]
    return max(1, round(images * known**2 / resolution**2)), ms, memory


def step_ms(model: Model, stage: Stage, gpus: int) -> float:
    """Milliseconds of a step, its micro-batches shared out over GPUs."""
    s, field = model.sampling, model.field.model_dump()
    images, ms, _ = _measured(stage.resolution)
    points = s.coarse + s.secant * bool(s.surface) + s.surface + s.fine
    size = field.get("layers", LAYERS) * field.get("width", WIDTH) ** 2
    work = points * size / (POINTS * LAYERS * WIDTH**2)
    work *= 1.0 if model.conditions is None else CONDITIONAL
    renders = 0.5 if stage.objective == "geometric" else 1.0
    each = (ms - LAUNCHES) / images * work * renders
    return stage.batch / stage.micro_batch / gpus * (LAUNCHES + stage.micro_batch * each)


def cost(model: Model, gpus: int) -> Cost | None:
    """That of all stages of a model; None where GPUs cannot share its micro-batches evenly."""
    if any(s.batch // s.micro_batch % gpus for s in model.stages):
        return None
    hours = sum(s.steps * step_ms(model, s, gpus) for s in model.stages) / 3.6e6
    memory = 0.0
    for stage in model.stages:
        images, _, peak = _measured(stage.resolution)
        memory = max(memory, peak * stage.micro_batch / images)
    with torch.device("meta"):
        generator = Generator(model.networks(model.mapping.latent))
    discriminator = Discriminator(model.discriminator)
    discriminator.grow(model.stages[-1].resolution, 0)
    weights = [sum(p.numel() for p in m.parameters()) for m in (generator, discriminator)]
    numbers = 4 * weights[0] + 3 * weights[1]  # with their two moments, and the average
    return Cost(hours, memory, len(model.stages) * KEPT * 4 * numbers / 2**30)


def table(config: Config, counts: tuple[int, ...]) -> Table:
    """A row for each model: hours by number of GPUs, memory of one, room on disk."""
    rows = []
    for name, model in config.models.items():
        costs = [cost(model, gpus) for gpus in counts]
        known = [found for found in costs if found is not None]
        hours = [f"{found.hours:.1f}" if found else "–" for found in costs]
        room = [f"{known[0].memory:.1f}", f"{known[0].disk:.2f}"] if known else ["–", "–"]
        rows.append([Cell(text) for text in (name, *hours, *room)])
    hours = [f"hours on {gpus} GPU{'s' * (gpus > 1)}" for gpus in counts]
    heads = ["", *hours, "GiB a GPU", "GiB on disk"]
    notes = (
        f"Projected from steps of 8 layers of 256 and 28 points a ray on {MACHINE}: by points,"
        " layers and width, and a fixed time for each micro-batch; that GPUs wait for each other is"
        " not counted.",
        f"An image of a conditional model counts as {CONDITIONAL:g} of GOF, as measured at 64 px.",
        "–: so many GPUs cannot share the micro-batches of a step. On disk: states and weights, not"
        " the data.",
    )
    return Table("Projected cost of training", heads, rows, notes)


def run_costs(config: Config, wanted: CostsJob) -> None:
    """Print the table. Raises InputError for a number of GPUs that is none."""
    if min(wanted.gpus) < 1:
        raise InputError(f"--gpus: {min(wanted.gpus)}: at least 1")
    print(table(config, wanted.gpus).markdown(), end="")
