"""One stage of training as a node of the DAG: from the state of the stage before to its own state,
log, samples and weights."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from gof.config.errors import ConfigError
from gof.data.manifest import Manifest, load_manifest
from gof.data.reader import Reader
from gof.experiment.config import Config
from gof.experiment.model import Model
from gof.models import pretrained as generators
from gof.run.files import InputError, exclusive, say
from gof.run.job import Job, job
from gof.run.outputs import Writes, watched
from gof.training import checkpoint, watch
from gof.training.arithmetic import small_as_zero
from gof.training.budget import Span
from gof.training.conditioner import Loader
from gof.training.distributed import World, join_world
from gof.training.jobs import StageJob
from gof.training.loop import Loop
from gof.training.reals import Reals
from gof.training.resume import RECORD, STATE, Resume
from gof.training.schedule import interval_half_width
from gof.training.state import TrainState, read_state, span_of, step_of, write_state
from gof.training.task import Task

FILES = ("generator.yaml", "generator.safetensors", "samples.png", STATE)


def run_stage(config: Config, wanted: StageJob, loader: Loader | None = None) -> None:
    """Train one stage and write state.safetensors, generator.yaml/.safetensors, samples.png and,
    last, stage.json. loader: of a conditional model.

    Goes on from the newest whole checkpoint of the same fingerprint; checkpoints go when the record
    is written. Raises ConfigError or InputError for what cannot be used, Stopped when told to stop,
    ArithmeticError when a loss is not finite.
    """
    model, resume = _chosen(config, wanted, loader), Resume.of(config, wanted, loader)
    if resume.is_done:
        if os.environ.get("RANK", "0") == "0":
            checkpoint.remove(resume.folder)  # of a kill right before they went
            say(f"{wanted.out}: trained already, nothing to do: delete stage.json to train again")
        return
    with small_as_zero(), join_world(wanted.device) as world:
        with _running(config, resume, loader, world.leads) as running:
            manifest = load_manifest(wanted.data)
            task = _task(model, wanted, manifest, loader, world)
            reals = _reals(config, wanted, manifest)
            state = _start(task, resume)
            if world.leads:
                resume.begin()
            last = model.first_step(wanted.stage + 1)
            images = None
            if world.leads:  # it alone looks
                resolution = model.stages[wanted.stage].resolution
                images = watch.compared(manifest, resolution, model.discriminator)
            look = watch.probe(task, images)
            loop = Loop(task, config.runtime, reals, wanted.stage, last, resume.folder, look)
            loop.run(state, running)
            if running is not None:
                _finish(config, wanted, task, state, running, manifest.name)
        world.wait()


@contextmanager
def _running(
    config: Config, resume: Resume, loader: Loader | None, leads: bool
) -> Iterator[Job | None]:
    """The job of the leading process, which alone writes to the folder meanwhile; when its record
    is written, its checkpoints go. Of the other processes: none."""
    if not leads:
        yield None
        return
    wanted = resume.wanted
    record, inputs = wanted.out / RECORD, wanted.inputs(loader)
    writes = Writes(beside=tuple(wanted.out / name for name in FILES), fills=True)
    # Refused before anything is made there, and before a second trainer has a run to show.
    with watched(record, inputs.values(), writes), exclusive(resume.folder.parent):
        own = config.scoped(config.upto(wanted.model, wanted.stage).only("models"))
        with job(record, "train", own, inputs, writes, resume.about) as running:
            yield running
        checkpoint.remove(resume.folder)


def _chosen(config: Config, wanted: StageJob, loader: Loader | None) -> Model:
    if wanted.model not in config.models:
        known = ", ".join(config.models) or "none"
        raise ConfigError(f"models: no model named {wanted.model!r}; known: {known}")
    model = config.models[wanted.model]
    if not 0 <= wanted.stage < len(model.stages):
        count = len(model.stages)
        raise ConfigError(
            f"models.{wanted.model}.stages: no stage {wanted.stage}, there are {count}"
        )
    if (wanted.stage > 0) != (wanted.previous is not None):
        raise InputError("--previous: needed for every stage but the first, and only there")
    if (model.conditions is not None) != (loader is not None):
        raise InputError(
            "--pool, --statistics and --regressor: needed for a model with conditions, and only"
            " there"
        )
    return model


def _reals(config: Config, wanted: StageJob, manifest: Manifest) -> Reals:
    """The images of the stage. What is wrong with them is said here, before the first step."""
    resolution = config.models[wanted.model].stages[wanted.stage].resolution
    reader = Reader(manifest, "train")
    reader.verify()
    reader.images(resolution, [])

    def read(numbers: list[int]) -> Tensor:
        return reader.images(resolution, numbers)

    return Reals(read, len(reader), wanted.seed, manifest.flip)


def _task(
    model: Model, wanted: StageJob, manifest: Manifest, loader: Loader | None, world: World
) -> Task:
    red, green, blue = (2 * value - 1 for value in manifest.background)
    conditioner, latent = None, None
    if loader is not None:
        conditioner = loader(model, wanted.stage, wanted.seed, manifest, world.device)
        latent = sum(conditioner.blocks.values())
    networks, background = model.networks(latent), (red, green, blue)
    return Task(model, networks, manifest.camera, background, wanted.seed, world, conditioner)


def _start(task: Task, resume: Resume) -> TrainState:
    """The state to go on from: a checkpoint, else the stage before, else fresh weights."""
    stages, wanted = task.model.stages, resume.wanted
    before = stages[max(0, wanted.stage - 1)].resolution
    state = TrainState.create(task.networks, task.model, before, wanted.seed)
    if wanted.previous is not None:
        _fill(state, task.model, wanted.stage, wanted.previous)
    state.grow(task.training, stages[wanted.stage].resolution, wanted.seed)
    own, begun = stages[wanted.stage], Span(wanted.stage, state.step, 0)
    state.span = begun if task.model.budgeted(wanted.stage) else None
    resume.go_on(state, speaks=task.world.leads)
    if state.span is not None and own.minutes is None:
        state.span = replace(state.span, steps=own.steps)
    return state.to(task.world.device)


def _fill(state: TrainState, model: Model, stage: int, previous: Path) -> None:
    """Take over the state in which the stage before ended. Raises InputError for another one."""
    flat, begins = read_state(previous), model.first_step(stage)
    try:
        step, span = step_of(flat), span_of(flat)
        if model.budgeted(stage - 1):
            if span is None or (span.stage, span.last) != (stage - 1, step):
                raise InputError(f"{previous}: not where stage {stage - 1} ended: give its state")
            begins = step
        if step == begins:
            state.fill(flat)
    except ValueError as error:
        reason = " ".join(str(error).split())[:160]
        raise InputError(f"{previous}: not a state of these networks: {reason}") from None
    if step != begins:
        ends = {model.first_step(number + 1): number for number in range(len(model.stages))}
        whose = f", where stage {ends[step]} ends" if step in ends else ""
        raise InputError(
            f"{previous}: a state after step {step}{whose}; stage {stage} goes on from step"
            f" {begins}: give the state of stage {stage - 1}"
        )


def _finish(
    config: Config, wanted: StageJob, task: Task, state: TrainState, running: Job, dataset: str
) -> None:
    """Write the outputs; the record follows when the job ends."""
    model, out = task.model, wanted.out
    state.ema.cpu().estimate_mean_style(task.training.truncation_latents)
    info: dict[str, Any] = {
        "model": wanted.model,
        "seed": wanted.seed,
        "stage": wanted.stage,
        "step": state.step,
        "dataset": dataset,
        "blocks": dict(task.conditioner.blocks) if task.conditioner else None,
        "networks": task.networks.model_dump(mode="json"),
        "camera": task.camera.model_dump(mode="json"),
        "trained_as": model.upto(wanted.stage).model_dump(mode="json"),
        "half_width": interval_half_width(model.interval, model.first_step(wanted.stage + 1)),
        "background": list(task.background),
    }
    generators.save(out / "generator.yaml", state.ema, info)
    saved = generators.load(out / "generator.yaml", str(task.world.device))
    watch.write_samples(out / "samples.png", saved, config)
    running.artifact(out / "samples.png")
    running.artifact(out / "generator.yaml")
    running.numbers = {
        "step": state.step,
        "steps": state.step - (state.span.begin if state.span else model.first_step(wanted.stage)),
        "model": wanted.model,
        "seed": wanted.seed,
        "stage": wanted.stage,
        "resolution": model.stages[wanted.stage].resolution,
        "parameters_generator": sum(p.numel() for p in state.ema.parameters()),
        "parameters_discriminator": sum(p.numel() for p in state.discriminator.parameters()),
        "history": state.history,
    }
    write_state(out / STATE, state)
