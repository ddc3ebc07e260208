"""A stage that is given minutes measures how many steps fit, and its schedules run over them."""

import copy
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from gof.config.errors import ConfigError
from gof.experiment.config import Config
from gof.run.files import InputError, read_json
from gof.training import budget, checkpoint
from gof.training.budget import SHARE, WARM, Pace, Span
from gof.training.schedule import plan
from gof.training.stage import run_stage
from gof.training.state import read_state, span_of
from tests.unit.training.test_stage import VALUES, data, job_of, quick_sheet

__all__ = ["data", "quick_sheet"]
MINUTES, STEP_S = 0.5, 1.0
FIT = round(60 * MINUTES / STEP_S)


class Clock:
    """Every look at it is a step later."""

    def __init__(self, costs=lambda number: STEP_S):
        self.now, self.number, self.costs = 0.0, 0, costs

    def monotonic(self):
        now = self.now
        self.now += self.costs(self.number)
        self.number += 1
        return now


@pytest.fixture
def clock(monkeypatch):
    own = Clock()
    monkeypatch.setattr(budget, "time", own)
    return own


def test_so_many_steps_are_left_as_the_measured_ones_leave_time_for(monkeypatch):
    # warm steps are dear, and so is every fourth
    own = Clock(lambda k: 9.0 if k < WARM else 3.0 if k % 4 == 0 else 1.0)
    monkeypatch.setattr(budget, "time", own)
    pace, minutes = Pace(20, 4), 20
    found = [pace.left() for _ in range(200)]
    first = next(k for k, left in enumerate(found) if left is not None)
    spent = sum(own.costs(k) for k in range(first + 1))
    assert spent >= SHARE * 60 * minutes and (first + 1 - WARM) % 4 == 0
    assert found[first] == pytest.approx((60 * minutes - spent) / 1.5, abs=2)


def test_a_budget_that_is_spent_leaves_nothing(monkeypatch):
    monkeypatch.setattr(budget, "time", Clock(lambda _: 100.0))
    assert Pace(1, 4).left() == 0


def budgeted(**changes):
    values = copy.deepcopy(VALUES)
    values["models"]["gof"]["stages"][0] |= {"minutes": MINUTES, "fade_steps": 2, **changes}
    values["models"]["gof"]["interval"] = {"max": 0.1, "min": 0.001, "decay": 0.5}
    values["runtime"]["checkpoint_every"] = 5
    return Config.parse(values)


def test_schedules_run_over_the_steps_that_there_are():
    model = budgeted().models["gof"]  # of 4 and 2 steps
    same = [plan(model, 1, step, Span(1, 4, 2)) for step in (4, 5)]
    assert same == [plan(model, 1, step) for step in (4, 5)]
    long = [plan(model, 0, step, Span(0, 0, 40)) for step in range(40)]
    nominal = [plan(model, 0, step) for step in range(4)]
    assert [replace(own, step=k) for k, own in enumerate(long[::10])] == nominal
    grown = [plan(model, 1, 40 + 10 * k, Span(1, 40, 20)) for k in range(2)]
    assert [replace(own, step=4 + k) for k, own in enumerate(grown)] == same
    assert [own.step for own in long] == list(range(40))
    later = plan(model, 1, 40 + 10, Span(1, 40, 20))
    assert (later.inside, later.scheduled, later.step) == (1, 5, 50)
    waiting = plan(model, 1, 47, Span(1, 40, 0))
    assert (waiting.inside, waiting.scheduled) == (0, 4)
    assert waiting.half_width == plan(model, 1, 4).half_width


def test_a_stage_ends_with_its_minutes_and_the_next_goes_on(tmp_path, data, clock):
    config = budgeted()
    first, second = tmp_path / "stage0", tmp_path / "stage1"
    run_stage(config, job_of(data, first))
    numbers = read_json(first / "stage.json")["numbers"]
    assert (numbers["steps"], numbers["step"]) == (FIT, FIT)
    assert span_of(read_state(first / "state.safetensors")) == Span(0, 0, FIT)
    widths = [entry["interval"] for entry in numbers["history"]]
    assert widths[0] == 0.1 and widths[-1] < 0.1 * 0.2, "it shrank as over four steps"
    run_stage(config, job_of(data, second, 1, first / "state.safetensors"))
    numbers = read_json(second / "stage.json")["numbers"]
    assert (numbers["steps"], numbers["step"]) == (2, FIT + 2)
    with pytest.raises(InputError, match="not where stage 0 ended"):
        previous = second / "state.safetensors"
        run_stage(config, job_of(data, tmp_path / "third", 1, previous))


@pytest.mark.parametrize("killed_at", [5, 15, 25])
def test_once_measured_a_broken_run_ends_where_an_unbroken_one_does(
    tmp_path, data, clock, monkeypatch, killed_at
):
    config, save = budgeted(), checkpoint.save
    run_stage(config, job_of(data, tmp_path / "whole"))

    def killed(folder, state, keep):
        save(folder, state, keep)
        if state.step == killed_at:
            raise KeyboardInterrupt

    clock.now = 0.0
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            run_stage(config, job_of(data, tmp_path / "broken"))
    clock.costs = lambda _: 7.0  # another machine
    run_stage(config, job_of(data, tmp_path / "broken"))
    whole, broken = (read_state(tmp_path / n / "state.safetensors") for n in ("whole", "broken"))
    if killed_at < 11:  # before it was measured: the second machine's steps count
        assert span_of(broken).steps < FIT
    else:
        assert span_of(broken) == span_of(whole)
        assert all(torch.equal(whole[name], broken[name]) for name in whole)


def test_the_leading_clock_counts_for_all(clock, tmp_path, monkeypatch):
    from tests.unit.toy_training import Tiny

    tiny = Tiny(tmp_path)
    loop, state = tiny.loop(6), tiny.state()
    told = []
    world = SimpleNamespace(
        leads=False, device="cpu", total=lambda own: told.append(int(own)) or own + 12
    )
    object.__setattr__(loop, "task", SimpleNamespace(world=world))
    state.span, state.step = Span(0, 0, 0), 5
    loop._measure(state, Pace(1, 4))
    assert told == [0] and state.span == Span(0, 0, 17)


def test_a_budget_is_a_positive_number():
    with pytest.raises(ConfigError, match=r"stages\.0\.minutes"):
        budgeted(minutes=0)
