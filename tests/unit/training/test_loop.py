import os
import signal
import threading
from dataclasses import replace

import pytest
import torch

from gof.conditioning.condition import Pool
from gof.data.ahead import Ahead
from gof.run.files import NOT_RESUMED, InputError
from gof.training import checkpoint, loop
from gof.training.distributed import World
from gof.training.loop import Stopped
from gof.training.reals import Reals
from gof.training.schedule import plan
from gof.training.settings import Runtime
from gof.training.steps import NonFinite
from tests.unit.toy_training import Tiny, TinyFaces, snapshot


class Recorder:
    def __init__(self) -> None:
        self.points: list[tuple[int, dict]] = []

    def metrics(self, values, step) -> None:
        self.points.append((step, dict(values)))


def tensors_equal(a, b) -> bool:
    mine, theirs = a.tensors(), b.tensors()
    return all(torch.equal(mine[name], theirs[name]) for name in theirs)


def reading(tiny, monkeypatch) -> list[tuple[str, object]]:
    """What is read, and in which thread."""
    seen: list[tuple[str, object]] = []
    load = Reals._load, Pool._load

    def watched(which):
        def call(self, key):
            seen.append((threading.current_thread().name, key))
            return load[which](self, key)

        return call

    monkeypatch.setattr(Reals, "_load", watched(0))
    monkeypatch.setattr(Pool, "_load", watched(1))
    if isinstance(tiny, TinyFaces):
        pool = tiny.conditioner.pool
        pool.ahead = Ahead(pool._load)
    return seen


@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize("kind", ["plain", "warm start", "conditional"])
def test_all_is_read_ahead_once_and_changes_nothing(tmp_path, monkeypatch, kind, share) -> None:
    tiny = Tiny(tmp_path) if kind == "plain" else TinyFaces(tmp_path, kind == "warm start")
    tiny.training = tiny.training.model_copy(update={"share_fakes": share})
    seen, state = reading(tiny, monkeypatch), tiny.state()
    tiny.loop(4).run(state, Recorder())
    assert seen and all(thread.startswith("ahead") for thread, _ in seen)
    keys = [key for _, key in seen]
    reals = 0 if kind == "warm start" else 4 * 2
    pools = 0 if kind == "plain" else 4 * 2 * (1 if share or kind == "warm start" else 2)
    assert len(keys) == len(set(keys)) == reals + pools
    monkeypatch.setattr(Ahead, "announce", lambda self, key: None)
    alone = tiny.state()
    tiny.loop(4).run(alone, Recorder())
    assert all(thread == "MainThread" for thread, _ in seen[len(keys) :])
    assert sorted(map(str, keys)) == sorted(str(key) for _, key in seen[len(keys) :])
    assert tensors_equal(alone, state)


def test_what_cannot_be_read_stops_the_loop_and_its_thread(tiny) -> None:
    loop = tiny.loop(6)
    read = loop.reals._read

    def broken(numbers):
        if threading.current_thread().name.startswith("ahead") and reads.pop():
            raise InputError("train-000: changed")
        return read(numbers)

    reads = [*[False] * 9, True, *[False] * 7]  # from the end; two batches a step
    loop.reals._read = broken
    state = tiny.state()
    with pytest.raises(InputError, match="train-000: changed"):
        loop.run(state, Recorder())
    assert state.step == 3  # the second batch of the fourth step
    assert not [t for t in threading.enumerate() if t.name.startswith("ahead")]


def test_log_has_means_and_schedules(tiny) -> None:
    state, log = tiny.state(), Recorder()
    tiny.loop(5).run(state, log)
    assert [step for step, _ in log.points] == [2, 4, 5]
    assert [entry["step"] for entry in state.history] == [2, 4, 5]
    last = state.history[-1]
    assert {"loss_g", "loss_d", "pose_g", "opacity", "interval", "sigma"} <= last.keys()
    assert "r1" in state.history[0] and state.window == []
    assert [entry | {"step": step} for step, entry in log.points] == state.history
    now = plan(tiny.model, 0, 3)
    assert state.history[1]["interval"] == now.half_width
    assert state.history[1]["opacity_weight"] == now.opacity_weight


def test_log_means_are_of_the_steps_that_have_the_value(tiny, monkeypatch) -> None:
    def discriminated(state, task, now, reals, shared):
        only = {"r1": torch.tensor(10.0 * now.step)} if now.step % 2 == 0 else {}
        return {"loss_d": torch.tensor(float(now.step))} | only

    def generated(state, task, now, shared):
        state.step += 1
        return {"loss_g": torch.tensor(-float(now.step))}

    monkeypatch.setattr(loop, "discriminator_step", discriminated)
    monkeypatch.setattr(loop, "generator_step", generated)
    state, runtime = tiny.state(), Runtime(log_every=3, probe_every=100)
    tiny.loop(6, runtime=runtime).run(state, Recorder())
    first, second = state.history
    assert (first["loss_d"], first["loss_g"], first["r1"]) == (1.0, -1.0, 10.0)
    assert (second["loss_d"], second["loss_g"], second["r1"]) == (4.0, -4.0, 40.0)
    assert "sigma" not in first and "sigma" in second


def test_shapes_are_looked_at_now_and_then(tiny) -> None:
    seen, runtime = [], Runtime(log_every=1, probe_every=2, checkpoint_every=100)

    def probe(state, now):
        seen.append((state.step, now))
        return {}

    replace(tiny.loop(5, runtime=runtime), probe=probe).run(tiny.state(), Recorder())
    assert [step for step, _ in seen] == [2, 4, 5]
    assert [now.step for _, now in seen] == [1, 3, 4]


def test_only_the_leading_process_keeps_a_log_and_checkpoints(tiny) -> None:
    class Follower(World):
        """The second of two, without the first."""

        def total(self, values):
            return values

        def sum_gradients(self, modules):
            return None

    state = tiny.state()
    tiny.loop(4, tiny.task(Follower(1, 2))).run(state, None)
    assert state.step == 4 and state.history == [] and not checkpoint.steps(tiny.folder)
    assert not (tiny.folder / "checkpoints").exists()


def test_checkpoints_come_when_due_and_at_the_last_step(tiny, monkeypatch) -> None:
    saved = []
    monkeypatch.setattr(checkpoint, "save", lambda folder, s, keep: saved.append((s.step, keep)))
    runtime = Runtime(checkpoint_every=2, keep_checkpoints=3)
    tiny.loop(5, runtime=runtime).run(tiny.state(), Recorder())
    assert saved == [(2, 3), (4, 3), (5, 3)]


@pytest.mark.parametrize("share", [False, True])
def test_fakes_are_shared_if_asked_for(tiny, share, monkeypatch) -> None:
    seen = {}
    for name in ("discriminator_step", "generator_step"):
        step = getattr(loop, name)

        def spied(state, task, now, *given, name=name, step=step):
            seen[name] = given[-1]
            return step(state, task, now, *given)

        monkeypatch.setattr(loop, name, spied)
    tiny.training = tiny.training.model_copy(update={"share_fakes": share})
    tiny.loop(1).run(tiny.state(), Recorder())
    assert seen["discriminator_step"] is seen["generator_step"]
    assert (seen["generator_step"] is not None) == share
    if share:
        assert all(fakes.images.requires_grad for fakes in seen["generator_step"])


def test_a_step_has_the_reals_and_the_rates_of_its_plan(tiny_faces, monkeypatch) -> None:
    seen = []

    def discriminated(state, task, now, reals, shared):
        seen.append((now, reals, state.optimizer_d.param_groups[0]["lr"]))
        return {}

    monkeypatch.setattr(loop, "discriminator_step", discriminated)
    tiny, state = tiny_faces, tiny_faces.state()
    own = replace(tiny.loop(7), stage=1)
    state.step = 6
    own.run(state, Recorder())
    now, reals, rate = seen[0]
    assert now == plan(tiny.model, 1, 6) and rate == now.stage.lr_discriminator
    expected = [tiny.reals()(rows, torch.device("cpu")) for rows in tiny.task().rows(now)]
    assert all(torch.equal(a, b) for a, b in zip(reals, expected, strict=True))
    state.step = 3
    replace(own, stage=0, last=4).run(state, Recorder())
    field, mapping = (group["lr"] for group in state.optimizer_g.param_groups)
    assert field == mapping == tiny.model.stages[0].lr_generator * plan(tiny.model, 0, 3).lr
    assert len(seen) == 1  # a warm start asks no discriminator


def test_a_second_signal_ends_at_once() -> None:
    stop = loop.StopRequest(0)
    stop.receive(signal.SIGTERM, None)
    assert stop.status == 143
    with pytest.raises(KeyboardInterrupt):
        stop.receive(signal.SIGTERM, None)


def test_usr1_stops_too_and_time_is_in_minutes(monkeypatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(loop.time, "monotonic", lambda: clock[0])
    stop = loop.StopRequest(2)
    clock[0] += 119
    assert stop.status == 0
    clock[0] += 2
    assert stop.status == NOT_RESUMED
    with loop.StopRequest(0).listening() as endless:
        os.kill(os.getpid(), signal.SIGUSR1)
        assert endless.status == 128 + signal.SIGUSR1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_signal_saves_and_stops(tiny, number, monkeypatch) -> None:
    step = loop.generator_step

    def interrupted(state, task, now, shared):
        values = step(state, task, now, shared)
        if state.step == 3:
            os.kill(os.getpid(), number)
        return values

    monkeypatch.setattr(loop, "generator_step", interrupted)
    state = tiny.state()
    before = signal.getsignal(number)
    with pytest.raises(Stopped) as caught:
        tiny.loop(6).run(state, Recorder())
    assert caught.value.code == 128 + number
    assert checkpoint.steps(tiny.folder / "checkpoints")[-1].name == "step-000000003"
    assert signal.getsignal(number) == before
    assert not [t for t in threading.enumerate() if t.name.startswith("ahead")]


def test_a_hangup_that_is_ignored_stays_so(tiny) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with loop.StopRequest(0).listening():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_end_of_its_time_saves_and_stops(tiny, monkeypatch) -> None:
    clock = iter(range(0, 10_000, 25))
    monkeypatch.setattr(loop.time, "monotonic", lambda: next(clock))
    runtime = Runtime(log_every=2, checkpoint_every=100, minutes=1)
    with pytest.raises(Stopped) as caught:
        tiny.loop(6, runtime=runtime).run(tiny.state(), Recorder())
    assert caught.value.code == NOT_RESUMED
    assert len(checkpoint.steps(tiny.folder / "checkpoints")) == 1


def test_non_finite_loss_names_step_and_checkpoint(tiny, monkeypatch) -> None:
    step = loop.generator_step

    def broken(state, task, now, shared):
        if state.step == 4:
            raise NonFinite("the gradient of the generator is not finite")
        return step(state, task, now, shared)

    monkeypatch.setattr(loop, "generator_step", broken)
    with pytest.raises(ArithmeticError, match=r"step 4: .*step-000000004"):
        tiny.loop(6).run(tiny.state(), Recorder())


def test_a_finished_run_takes_no_step(tiny) -> None:
    state = tiny.state()
    tiny.loop(4).run(state, Recorder())
    before = snapshot(state)
    tiny.loop(4).run(state, Recorder())
    assert all(torch.equal(before[n], t) for n, t in state.tensors().items())


@pytest.mark.parametrize("kind", ["plain", "warm start", "conditional"])
def test_interrupted_run_equals_an_unbroken_one(tmp_path, kind) -> None:
    tiny = Tiny(tmp_path) if kind == "plain" else TinyFaces(tmp_path, kind == "warm start")
    unbroken, log = tiny.state(), Recorder()
    tiny.loop(6).run(unbroken, log)
    for stop_at in range(1, 6):
        state = tiny.state()
        tiny.folder = tmp_path / f"stop-{stop_at}"
        first = tiny.loop(stop_at)
        first.run(state, Recorder())
        checkpoint.save(first.checkpoints, state, keep=2)
        resumed = tiny.state()
        assert checkpoint.load_newest(first.checkpoints, resumed)
        tiny.loop(6).run(resumed, Recorder())
        assert tensors_equal(resumed, unbroken)
