"""One stage of training as a node of the DAG: from the state of the stage before to its own state,
log, samples and weights."""

from __future__ import annotations

import hashlib
import shutil
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import safetensors.torch

from gof.conditioning.condition import FaceFiles, FaceTask
from gof.config.reading import ConfigError
from gof.data.manifest import Manifest, load_images, load_manifest
from gof.experiment.config import Config
from gof.experiment.model import Model
from gof.models import pretrained as generators
from gof.run.files import InputError, atomic_write, exclusive, say, sha256
from gof.run.job import Job, job
from gof.run.outputs import Writes, watched
from gof.run.provenance import stage_code
from gof.training import checkpoint, watch
from gof.training.distributed import World, join_world
from gof.training.fakes import Task
from gof.training.loop import Loop
from gof.training.reals import Reals
from gof.training.schedule import interval_half_width
from gof.training.state import TrainState, read_state

FILES = ("generator.safetensors", "generator.yaml", "samples.png", "state.safetensors")


@dataclass(frozen=True, slots=True)
class StageJob:
    """Which stage to train and where: data is a manifest, previous the state of the stage before,
    out a folder; faces of a conditional model."""

    model: str
    stage: int
    seed: int
    data: Path
    out: Path
    previous: Path | None = None
    faces: FaceFiles | None = None
    device: str = "auto"

    def inputs(self) -> dict[str, Path]:
        """Files the result depends on."""
        files = {"data": self.data}
        files |= {"previous": self.previous} if self.previous else {}
        return files | (asdict(self.faces) if self.faces else {})

    def fingerprint(self, config: Config) -> str:
        """Names everything that determines the result; not the number of processes."""
        digest = hashlib.sha256(config.for_stage(self.model, self.stage).encode())
        for name, path in sorted(self.inputs().items()):
            digest.update(f"{name} {sha256(path)}".encode())
        code = stage_code(self.faces is not None) if config.track_code else ""
        digest.update(f"{self.model} {self.stage} {self.seed} {code}".encode())
        return digest.hexdigest()[:16]


def run_stage(config: Config, wanted: StageJob) -> None:
    """Train one stage and write state.safetensors, generator.yaml/.safetensors, samples.png and,
    last, stage.json.

    Goes on from the newest whole checkpoint of the same fingerprint. Raises ConfigError or
    InputError for what cannot be used, Stopped when told to stop, ArithmeticError when a loss is
    not finite.
    """
    model = _chosen(config, wanted)
    with join_world(wanted.device) as world, ExitStack() as stack:
        folder = wanted.out / "checkpoints" / wanted.fingerprint(config)
        running = None
        if world.leads:
            record, inputs = wanted.out / "stage.json", wanted.inputs()
            writes = Writes(beside=tuple(wanted.out / name for name in FILES), fills=True)
            # Refused before anything is made there, and before a second trainer has a run to show.
            stack.enter_context(watched(record, inputs.values(), writes))
            stack.enter_context(exclusive(wanted.out / "checkpoints"))
            own = config.scoped(config.for_stage(wanted.model, wanted.stage))
            running = stack.enter_context(job(record, "train", own, inputs, writes, folder.name))
        manifest = load_manifest(wanted.data)
        task = _task(config, wanted, manifest, world)
        images = load_images(manifest, "train", model.stages[wanted.stage].resolution)
        state = _start(task, wanted, folder)
        last = model.first_step(wanted.stage + 1)
        reals = Reals(images, wanted.seed, config.training.flip)
        loop = Loop(task, config.runtime, reals, wanted.stage, last, folder, watch.probe(task))
        loop.run(state, running)
        if running is not None:
            _finish(config, wanted, task, state, running)
            shutil.rmtree(folder, ignore_errors=True)
        world.wait()


def _chosen(config: Config, wanted: StageJob) -> Model:
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
    if (model.conditions is not None) != (wanted.faces is not None):
        raise InputError(
            "--pool, --statistics and --regressor: needed for a model with conditions, and only"
            " there"
        )
    return model


def _task(config: Config, wanted: StageJob, manifest: Manifest, world: World) -> Task:
    red, green, blue = (2 * value - 1 for value in manifest.background)
    model, training, face = config.models[wanted.model], config.training, None
    if model.conditions is not None and wanted.faces is not None:
        resolution = model.stages[wanted.stage].resolution
        face = FaceTask.read(model.conditions, wanted.faces, resolution, wanted.seed)
        face.regressor.to(world.device)
        changes = {
            "latent": face.layout.total,
            "mapping_width": model.conditions.mapping_width,
        }
        field = training.field.model_copy(update=changes)
        training = training.model_copy(update={"field": field})
    background = (red, green, blue)
    return Task(model, training, config.camera, background, wanted.seed, world, face)


def _start(task: Task, wanted: StageJob, folder: Path) -> TrainState:
    """The state to go on from: a checkpoint, else the stage before, else fresh weights."""
    stages = task.model.stages
    before = stages[max(0, wanted.stage - 1)].resolution
    state = TrainState.create(task.training, before, wanted.seed)
    if wanted.previous is not None:
        flat = read_state(wanted.previous)
        try:
            state.fill(flat)
        except (KeyError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:160]
            raise InputError(
                f"{wanted.previous}: not a state of these networks: {reason}"
            ) from None
    state.grow(task.training, stages[wanted.stage].resolution, wanted.seed)
    if checkpoint.load_newest(folder, state) and task.world.leads:
        say(f"going on from step {state.step}")
    return state.to(task.world.device)


def _finish(config: Config, wanted: StageJob, task: Task, state: TrainState, running: Job) -> None:
    """Write the outputs; the record follows when the job ends."""
    model, field, out = task.model, task.training.field, wanted.out
    state.ema.cpu().estimate_mean_style(config.training.truncation_latents)
    info: dict[str, Any] = {
        "model": wanted.model,
        "seed": wanted.seed,
        "stage": wanted.stage,
        "step": state.step,
        "dataset": load_manifest(wanted.data).name,
        "latent": field.latent,
        "blocks": task.face.layout.sizes if task.face else None,
        "field": field.model_dump(mode="json"),
        "camera": config.camera.model_dump(mode="json"),
        "trained_as": model.model_dump(mode="json"),
        "half_width": interval_half_width(model.interval, state.step),
        "background": list(task.background),
    }
    generators.save(out / "generator.yaml", state.ema, info)
    watch.draw(out / "samples.png", generators.load(out / "generator.yaml"), config)
    running.artifact(out / "samples.png")
    running.artifact(out / "generator.yaml")
    running.numbers = {
        "step": state.step,
        "model": wanted.model,
        "seed": wanted.seed,
        "stage": wanted.stage,
        "resolution": model.stages[wanted.stage].resolution,
        "parameters_generator": sum(p.numel() for p in state.ema.parameters()),
        "parameters_discriminator": sum(p.numel() for p in state.discriminator.parameters()),
        "history": state.history,
    }
    atomic_write(out / "state.safetensors", safetensors.torch.save(state.tensors()))
