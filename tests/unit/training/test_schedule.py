import math

import pytest

from gof.experiment.model import Model
from gof.losses.settings import Opacity
from gof.rendering.settings import DensityNoise, Interval, Sampling
from gof.training.schedule import (
    StepPlan,
    density_noise,
    interval_half_width,
    opacity_weight,
    plan,
)
from gof.training.settings import Stage

# The values of the paper's BFM run (supplement; steps at which both schedules saturate).
BFM_INTERVAL = Interval(max=0.12, min=0.02, decay=3e-5)
BFM_OPACITY = Opacity(weight=0.1, growth=4e-5, cap=10)


def test_interval_of_the_bfm_run() -> None:
    assert interval_half_width(BFM_INTERVAL, 0) == 0.12
    assert interval_half_width(BFM_INTERVAL, 10_000) == pytest.approx(0.12 * math.exp(-0.3))
    assert interval_half_width(BFM_INTERVAL, 59_724) > 0.02
    assert interval_half_width(BFM_INTERVAL, 59_726) == 0.02


def test_opacity_weight_of_the_bfm_run() -> None:
    assert opacity_weight(BFM_OPACITY, 0) == pytest.approx(0.1)
    assert opacity_weight(BFM_OPACITY, 57_564) < 1.0
    assert opacity_weight(BFM_OPACITY, 57_566) == pytest.approx(1.0)
    assert opacity_weight(BFM_OPACITY, 10**9) == pytest.approx(1.0)


def test_noise_on_densities_falls_to_nothing_as_in_pi_gan() -> None:
    noise = DensityNoise(start=1.0, steps=5000)
    found = [density_noise(noise, step) for step in (0, 1250, 5000, 9000)]
    assert found == pytest.approx([1, 0.75, 0, 0])
    model = Model(
        integrator="density",
        sampling=Sampling(surface=0, fine=4),
        density_noise=DensityNoise(start=2.0, steps=10),
        stages=(Stage(resolution=16, steps=10),),
    )
    assert plan(model, 0, 5).density_noise == pytest.approx(1.0)


def test_steps_count_on_through_the_stages_and_only_new_layers_fade_in() -> None:
    stages = (
        Stage(resolution=16, steps=10, fade_steps=4),
        Stage(resolution=32, steps=10, fade_steps=4),
        Stage(resolution=32, steps=10, fade_steps=4),
    )
    model = Model(integrator="occupancy", stages=stages)
    assert [model.first_step(i) for i in range(4)] == [0, 10, 20, 30]
    assert plan(model, 0, 0).fade == 1
    assert [plan(model, 1, 10 + i).fade for i in range(5)] == [0.25, 0.5, 0.75, 1, 1]
    assert plan(model, 2, 20).fade == 1
    assert plan(model, 1, 12).half_width == interval_half_width(model.interval, 12)


def test_a_warm_start_ends_with_a_learning_rate_of_zero() -> None:
    stages = [
        {"objective": "geometric", "resolution": 8, "steps": 10},
        {"resolution": 8, "steps": 5},
    ]
    model = Model.model_validate({"integrator": "occupancy", "conditions": {}, "stages": stages})
    rates = [plan(model, 0, step).lr for step in range(10)]
    assert rates[0] == 1 and rates == sorted(rates, reverse=True) and 0 < rates[-1] < 0.05
    assert plan(model, 1, 10).lr == 1


def test_a_plan_is_all_of_a_step() -> None:
    stages = [
        {"objective": "geometric", "resolution": 8, "steps": 10},
        {"resolution": 16, "steps": 8, "fade_steps": 4},
    ]
    values = {"integrator": "occupancy", "conditions": {}, "stages": stages}
    model = Model.model_validate(values | {"interval": {"decay": 0.1}, "opacity": {"growth": 0.1}})
    now = plan(model, 1, 11)
    assert now.stage is model.stages[1] and (now.step, now.number, now.inside) == (11, 1, 1)
    assert now.fade == 0.5 and now.lr == 1.0
    assert now.half_width == pytest.approx(0.12 * math.exp(-1.1))
    assert now.opacity_weight == pytest.approx(0.1 * math.exp(1.1))
    warm = plan(model, 0, 4)
    assert (warm.number, warm.inside, warm.fade) == (0, 4, 1.0)
    assert warm.lr == pytest.approx((1 + math.cos(0.4 * math.pi)) / 2)


def test_no_steps_of_fading_are_none() -> None:
    stages = (Stage(resolution=8, steps=2), Stage(resolution=16, steps=2, fade_steps=0))
    model = Model(integrator="occupancy", stages=stages)
    assert plan(model, 1, 2).fade == 1.0


def test_a_bare_plan_is_of_a_first_step() -> None:
    stage = Stage(resolution=8, steps=2)
    now = StepPlan(stage, 0, fade=1.0, half_width=0.1, opacity_weight=0.1)
    assert (now.lr, now.number, now.inside) == (1.0, 0, 0)
