"""A stage as a node: what it writes, in which order, and what a fault in between costs."""

import errno
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
import yaml

from gof.config.errors import ConfigError
from gof.data.manifest import Manifest, Split, load_manifest, write_manifest
from gof.data.shards import write_shard
from gof.experiment.config import Config
from gof.geometry.settings import Camera
from gof.models import pretrained
from gof.run.files import InputError, read_json, sha256
from gof.training import jobs
from gof.training import stage as stages
from gof.training.distributed import World
from gof.training.resume import Resume
from gof.training.schedule import interval_half_width
from gof.training.stage import FILES, StageJob, run_stage
from gof.training.state import TrainState, write_state
from tests.unit.toy_training import Asking

LOSSES = {"accuracy_real", "accuracy_fake", "loss_d", "loss_g", "pose_d", "pose_g"}
LOSSES |= {"opacity", "hit", "sigma", "outward"}
VALUES = {
    "models": {
        "gof": {
            "integrator": "occupancy",
            "sampling": {"coarse": 4, "secant": 1, "surface": 2},
            "interval": {"decay": 0.1},
            "stages": [
                {"resolution": 8, "steps": 4, "batch": 4, "micro_batch": 4},
                {"resolution": 16, "steps": 2, "batch": 4, "micro_batch": 4},
            ],
            "field": {"layers": 2, "width": 8},
            "mapping": {"latent": 4, "width": 8},
            "discriminator": {"channel_base": 32, "channel_max": 8},
            "training": {"truncation_latents": 20},
        }
    },
    "runtime": {"log_every": 2, "checkpoint_every": 2, "probe_every": 4},
    "tracking": {"enabled": False},
}


@pytest.fixture
def config() -> Config:
    return Config.parse(VALUES)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    draw = np.random.default_rng(0)
    images = {f"image_{r}": draw.integers(0, 255, (6, r, r, 3), dtype=np.uint8) for r in (8, 16)}
    shard = write_shard(tmp_path / "data" / "train-000", images)
    path, splits = tmp_path / "data" / "manifest.json", {"train": Split(6, (shard,))}
    write_manifest(Manifest(path, "noise", Camera(), (1.0, 0.5, 0.0), (8, 16), splits))
    return path


@pytest.fixture(autouse=True)
def quick_sheet(monkeypatch) -> None:
    """A picture in no time; what it shows is tested elsewhere."""
    blank = np.zeros((4, 4, 3), dtype=np.uint8)
    monkeypatch.setattr(stages.watch, "sample_sheet", lambda *given: blank)


@pytest.fixture
def steps(monkeypatch) -> list[int]:
    """Numbers of the steps that were taken."""
    taken, step = [], stages.Loop._step

    def counted(loop, state, running):
        taken.append(state.step)
        step(loop, state, running)

    monkeypatch.setattr(stages.Loop, "_step", counted)
    return taken


def job_of(data: Path, out: Path, stage: int = 0, previous: Path | None = None) -> StageJob:
    return StageJob(
        model="gof", stage=stage, seed=3, data=data, out=out, previous=previous, device="cpu"
    )


def checkpoints(out: Path) -> list[Path]:
    return sorted(out.glob("checkpoints/*/*"))


def test_a_stage_writes_its_state_its_generator_and_its_record(config, data, tmp_path, steps):
    out = tmp_path / "out"
    run_stage(config, job_of(data, out))
    assert steps == [0, 1, 2, 3] and not checkpoints(out)
    record = read_json(out / "stage.json")
    assert record["outputs"] == sorted(FILES) and record["kind"] == "train"
    numbers = record["numbers"]
    assert [entry["step"] for entry in numbers["history"]] == [2, 4]
    assert numbers["history"][-1].keys() >= LOSSES
    flat = safetensors.torch.load_file(out / "state.safetensors")
    assert numbers["step"] == int(flat["step"]) == 4 and numbers["resolution"] == 8
    sizes = {
        name: sum(
            v.numel() for n, v in flat.items() if n.startswith(f"{name}.") and "mean_style" not in n
        )
        for name in ("ema", "discriminator")
    }
    assert numbers["parameters_generator"] == sizes["ema"]
    assert numbers["parameters_discriminator"] == sizes["discriminator"]
    assert [numbers[name] for name in ("model", "seed", "stage")] == ["gof", 3, 0]
    info = yaml.safe_load((out / "generator.yaml").read_text())
    assert [info[name] for name in ("model", "seed", "stage", "step")] == ["gof", 3, 0, 4]
    assert (info["dataset"], info["blocks"]) == ("noise", None)
    assert info["networks"]["mapping"]["latent"] == 4
    assert info["background"] == [1.0, 0.0, -1.0]
    assert info["half_width"] == interval_half_width(config.models["gof"].interval, 4)
    loaded = pretrained.load(out / "generator.yaml")
    assert loaded.resolution == 8, "that of the stage it is of, not of a later one"
    generator = loaded.generator
    for name, value in generator.state_dict().items():
        assert torch.equal(value, flat[f"ema.{name}"]), name
    generator.estimate_mean_style(20)
    assert torch.equal(generator.mean_style, flat["ema.mean_style"])


def test_the_next_stage_goes_on_from_the_state_before(config, data, tmp_path, steps):
    run_stage(config, job_of(data, tmp_path / "one"))
    before = tmp_path / "one" / "state.safetensors"
    run_stage(config, job_of(data, tmp_path / "two", 1, before))
    assert steps == [0, 1, 2, 3, 4, 5]
    after = safetensors.torch.load_file(tmp_path / "two" / "state.safetensors")
    assert int(after["step"]) == 6 and "discriminator.blocks.16.first.weight" in after
    assert read_json(tmp_path / "two" / "stage.json")["numbers"]["resolution"] == 16


def test_a_fresh_state_is_drawn_from_the_seed(config, data, tmp_path):
    model = config.models["gof"]
    task = stages._task(model, job_of(data, tmp_path), load_manifest(data), None, World())
    state = stages._start(task, Resume.of(config, job_of(data, tmp_path / "none"), None))
    fresh = TrainState.create(model.networks(), model, 8, 3).tensors()
    assert all(torch.equal(fresh[name], value) for name, value in state.tensors().items())
    assert (task.seed, task.background, task.camera) == (3, (1.0, 0.0, -1.0), Camera())
    assert task.model is model


def test_everything_that_counts_is_in_the_fingerprint(config, data, tmp_path, monkeypatch):
    def name(config, job, loader=None):
        return Resume.of(config, job, loader).folder.name

    job = job_of(data, tmp_path)
    names = {name(config, job)}
    names.add(name(config, StageJob(model="gof", seed=4, data=data, out=tmp_path)))
    names.add(name(config, job_of(data, tmp_path, 0, data)))
    names.add(name(config, job, Loading({"pool": data})))
    monkeypatch.setattr(jobs, "stage_code", lambda *given: "other code")
    names.add(name(config, job))
    untracked = config.model_copy(update={"track_code": False})
    names.add(name(untracked, job))
    assert len(names) == 6 and all(len(name) == 16 for name in names)
    monkeypatch.undo()
    assert name(untracked, job) in names
    data.write_text(data.read_text() + "\n")
    assert name(config, job) not in names


def test_a_stage_by_hand_tells_of_itself_alone_and_names_its_generator(
    config, data, tmp_path, capsys
):
    run_stage(config, job_of(data, tmp_path / "out"))
    own = read_json(tmp_path / "out" / "stage.json")["settings"]
    assert own.keys() == {"models"} and len(own["models"]["gof"]["stages"]) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"wrote {tmp_path}/out/generator.yaml and ")


def test_a_later_stage_is_not_in_the_fingerprint_of_an_earlier_one(config, data, tmp_path):
    first, second = config.models["gof"].stages
    longer = second.model_copy(update={"steps": 9})
    model = config.models["gof"].model_copy(update={"stages": (first, longer)})
    other = config.model_copy(update={"models": {"gof": model}})
    plain = StageJob(model="gof", data=data, out=tmp_path)
    assert (plain.stage, plain.seed) == (0, 0)
    names = [[job_of(data, tmp_path, k).decides(own) for own in (config, other)] for k in (0, 1)]
    assert names[0][0] == names[0][1] and names[1][0] != names[1][1]


def test_the_code_of_conditions_counts_for_conditional_models(config, data, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(jobs, "stage_code", lambda conditional, field: asked.append(conditional))
    job = job_of(data, tmp_path)
    job.decides(config)
    job.decides(config, Loading({"pool": data}))
    assert asked == [False, True]


class Loading:
    """A loader of the toy's conditioner."""

    def __init__(self, files: dict[str, Path]) -> None:
        self.files, self.given = files, []

    def __call__(self, *given: object) -> Asking:
        self.given.append(given)
        return Asking()


def test_a_conditional_model_gets_its_conditioner_from_the_loader(config, data, tmp_path):
    values = {**VALUES["models"]["gof"], "conditions": {"mapping_width": 6}}
    parsed = Config.parse(VALUES | {"models": {"gof": values}})
    loader, out = Loading({"pool": data}), tmp_path / "out"
    run_stage(parsed, job_of(data, out), loader)
    model = parsed.models["gof"]
    assert loader.given == [(model, 0, 3, load_manifest(data), torch.device("cpu"))]
    assert read_json(out / "stage.json")["inputs"].keys() == {"data", "pool"}
    info = yaml.safe_load((out / "generator.yaml").read_text())
    networks = info["networks"]
    assert info["blocks"] == Asking.blocks and networks["mapping"]["latent"] == 4
    assert networks["mapping"]["width"] == 6


@pytest.mark.parametrize(
    ("job", "loader", "error", "said"),
    [
        (("none", 0, None), False, ConfigError, "no model named 'none'; known: gof"),
        (("gof", 2, None), False, ConfigError, r"models\.gof\.stages: no stage 2, there are 2"),
        (("gof", -1, None), False, ConfigError, "no stage -1"),
        (("gof", 1, None), False, InputError, "--previous: needed"),
        (("gof", 0, "state"), False, InputError, "--previous: needed"),
        (("gof", 0, None), True, InputError, "--pool, --statistics and --regressor"),
    ],
)
def test_calls_that_cannot_be_meant_are_refused(config, data, tmp_path, job, loader, error, said):
    name, stage, previous = job
    wanted = StageJob(
        model=name,
        stage=stage,
        data=data,
        out=tmp_path / "out",
        previous=previous and data,
        device="cpu",
    )
    with pytest.raises(error, match=said):
        run_stage(config, wanted, Loading({}) if loader else None)
    assert not (tmp_path / "out").exists()


def test_a_state_of_other_networks_is_refused(config, data, tmp_path):
    model = config.models["gof"]
    other = model.field.model_copy(update={"width": 12})
    model = model.model_copy(update={"field": other})
    path = tmp_path / "other.safetensors"
    state = TrainState.create(model.networks(), model, 8, 0)
    state.step = 4
    write_state(path, state)
    with pytest.raises(InputError, match=r"other\.safetensors: not a state of these networks"):
        run_stage(config, job_of(data, tmp_path / "out", 1, path))


class Fault(BaseException):
    """A kill."""


@pytest.mark.parametrize("kind", ["kill before", "kill after", "full disk"])
@pytest.mark.parametrize("place", [*FILES, "stage.json", ".step-000000002.tmp"])
def test_no_fault_at_the_end_costs_a_step(config, data, tmp_path, steps, monkeypatch, place, kind):
    """Every rename at the end of a stage: outputs, record, checkpoints."""
    monkeypatch.setattr(stages.watch, "probe", lambda *given: lambda state, now: {"sigma": 0.0})
    run_stage(config, job_of(data, tmp_path / "unbroken"))
    rename, out = os.replace, tmp_path / "out"

    def faulty(source, target):
        if Path(target).name != place or Path(target).parent.name.startswith(".step"):
            return rename(source, target)
        monkeypatch.setattr(os, "replace", rename)
        if kind == "full disk":
            raise OSError(errno.ENOSPC, "No space left on device")
        if kind == "kill after":
            rename(source, target)
        raise Fault

    monkeypatch.setattr(os, "replace", faulty)
    # A checkpoint that cannot be removed is no failure.
    removal = place.startswith(".step") and kind == "full disk"
    if removal:
        run_stage(config, job_of(data, out))
    else:
        with pytest.raises(InputError if kind == "full disk" else Fault):
            run_stage(config, job_of(data, out))
    assert os.replace is rename
    steps.clear()
    if not removal:
        assert checkpoints(out)[-1].name == "step-000000004"
        run_stage(config, job_of(data, out))
        assert steps == []
    assert not checkpoints(out)
    for name in FILES:
        assert sha256(out / name) == sha256(tmp_path / "unbroken" / name), name
    records = [read_json(tmp_path / run / "stage.json") for run in ("out", "unbroken")]
    assert records[0]["numbers"] == records[1]["numbers"]


def test_after_the_last_checkpoint_everything_is_there(config, data, tmp_path, monkeypatch):
    rename, out = os.replace, tmp_path / "out"

    def faulty(source, target):
        rename(source, target)
        if Path(target).name == ".step-000000004.tmp" and Path(source).name[0] != ".":
            raise Fault

    monkeypatch.setattr(os, "replace", faulty)
    with pytest.raises(Fault):
        run_stage(config, job_of(data, out))
    assert all((out / name).exists() for name in (*FILES, "stage.json"))


def test_a_full_disk_at_the_last_checkpoint_costs_the_steps_since_the_one_before(
    config, data, tmp_path, steps, monkeypatch
):
    rename, out = os.replace, tmp_path / "out"

    def faulty(source, target):
        if Path(target).name == "step-000000004":
            monkeypatch.setattr(os, "replace", rename)
            raise InputError("no room")
        rename(source, target)

    monkeypatch.setattr(os, "replace", faulty)
    with pytest.raises(InputError, match="no room"):
        run_stage(config, job_of(data, out))
    steps.clear()
    run_stage(config, job_of(data, out))
    assert steps == [2, 3]


def test_a_stage_counts_the_smallest_numbers_as_zero_and_leaves_the_process_as_it_was(
    config, data, tmp_path, monkeypatch
):
    step, seen = stages.Loop._step, []
    smallest = torch.full((100_000,), 1e-39)  # more than one thread's share

    def watched(loop, state, running):
        seen.append(bool((smallest * 0.5).any()))
        step(loop, state, running)

    monkeypatch.setattr(stages.Loop, "_step", watched)
    run_stage(config, job_of(data, tmp_path / "out"))
    assert seen == [False] * 4
    assert bool((smallest * 0.5).any())


def test_a_stage_that_was_trained_is_left_as_it_is(config, data, tmp_path, steps, capsys):
    out = tmp_path / "out"
    run_stage(config, job_of(data, out))
    before = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    steps.clear()
    run_stage(config, job_of(data, out))
    assert not steps and {path: path.stat().st_mtime_ns for path in out.iterdir()} == before
    assert "trained already, nothing to do" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["state.safetensors", "generator.safetensors", "generator.yaml"])
def test_one_whose_files_are_damaged_is_trained_once_more(
    config, data, tmp_path, steps, capsys, name
):
    out = tmp_path / "out"
    run_stage(config, job_of(data, out))
    whole = (out / name).read_bytes()
    flipped = bytearray(whole)
    flipped[-3] ^= 1
    (out / name).write_bytes(flipped)
    steps.clear()
    run_stage(config, job_of(data, out))
    assert steps == [0, 1, 2, 3] and (out / name).read_bytes() == whole
    assert f"{name}: " in capsys.readouterr().err


def with_stages(config: Config, *changes: dict) -> Config:
    model = config.models["gof"]
    own = [s.model_copy(update=c) for s, c in zip(model.stages, changes, strict=True)]
    return config.model_copy(
        update={"models": {"gof": model.model_copy(update={"stages": tuple(own)})}}
    )


def test_the_state_of_another_stage_is_refused_by_its_step(config, data, tmp_path):
    three = config.models["gof"].stages
    model = config.models["gof"].model_copy(update={"stages": (*three, three[-1])})
    config = config.model_copy(update={"models": {"gof": model}})
    run_stage(config, job_of(data, tmp_path / "one"))
    state = tmp_path / "one" / "state.safetensors"
    with pytest.raises(InputError) as caught:
        run_stage(config, job_of(data, tmp_path / "three", 2, state))
    said = "a state after step 4, where stage 0 ends; stage 2 goes on from step 6"
    assert f"{state}: {said}: give the state of stage 1" in str(caught.value)
    assert not (tmp_path / "three" / "stage.json").exists()


def broken_off(config, data, out, monkeypatch, after: int) -> None:
    step = stages.Loop._step

    def stopping(loop, state, running):
        if state.step == after:
            raise Fault
        step(loop, state, running)

    monkeypatch.setattr(stages.Loop, "_step", stopping)
    with pytest.raises(Fault):
        run_stage(config, job_of(data, out))
    monkeypatch.setattr(stages.Loop, "_step", step)


def test_checkpoints_of_other_settings_are_named_with_what_differs(
    config, data, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "out"
    broken_off(config, data, out, monkeypatch, 3)
    (old,) = out.glob("checkpoints/[!.]*")
    slower = with_stages(config, {"lr_generator": 1e-6}, {})
    run_stage(slower, job_of(data, out))
    rate = config.models["gof"].stages[0].lr_generator
    odd = f"model.stages.0.lr_generator {rate} instead of 1e-06"
    said = f"{old}: step 2 of a run with {odd}: they do not serve"
    assert said in capsys.readouterr().err and checkpoints(out)


@pytest.mark.parametrize("broken", [True, False])
def test_a_longer_schedule_goes_on_where_it_is_told_to_extend(
    config, data, tmp_path, steps, monkeypatch, capsys, broken
):
    out, longer = tmp_path / "out", with_stages(config, {"steps": 7}, {})
    if broken:
        broken_off(config, data, out, monkeypatch, 3)
    else:
        run_stage(config, job_of(data, out))
    wanted = job_of(data, out)
    with pytest.raises(InputError, match="no run of the same settings but fewer steps"):
        run_stage(with_stages(longer, {"batch": 8}, {}), replace(wanted, extend=True))
    capsys.readouterr()
    taken, step = [], stages.Loop._step
    monkeypatch.setattr(
        stages.Loop,
        "_step",
        lambda loop, state, running: (taken.append(state.step), step(loop, state, running)),
    )
    run_stage(longer, replace(wanted, extend=True))
    assert taken == list(range(2 if broken else 4, 7))
    assert f"going on from step {taken[0]} of " in capsys.readouterr().err
    monkeypatch.setattr(stages.Loop, "_step", step)
    run_stage(longer, job_of(data, tmp_path / "unbroken"))
    for name in FILES:
        assert sha256(out / name) == sha256(tmp_path / "unbroken" / name), name
    found = [read_json(place / "stage.json")["numbers"] for place in (out, tmp_path / "unbroken")]
    assert found[0] == found[1] or not broken
