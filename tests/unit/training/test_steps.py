import pytest
import torch

from gof.experiment.model import Model
from gof.rendering.settings import Sampling
from gof.training.schedule import plan
from gof.training.steps import NonFinite, discriminator_step, each_fakes, generator_step
from tests.unit.toy_training import STAGES, snapshot


def reals_for(tiny, task, now):
    return [tiny.reals()(rows, torch.device("cpu")) for rows in task.rows(now)]


@pytest.mark.parametrize("integrator", ["occupancy", "density"])
def test_every_generator_weight_receives_gradient(tiny, integrator) -> None:
    surface = 2 if integrator == "occupancy" else 0
    sampling = Sampling(coarse=6, surface=surface, fine=2)
    training = tiny.training.model_copy(update={"precision": "bfloat16"})
    model = Model(integrator=integrator, sampling=sampling, training=training, stages=STAGES)
    task, state = tiny.task(model=model), tiny.state()
    generator_step(state, task, plan(model, 0, 0))
    for name, parameter in state.generator.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


def same(a, b) -> bool:
    return a is not None and torch.equal(a, b)


def test_updates_touch_only_their_own_network(tiny) -> None:
    task, state = tiny.task(), tiny.state()
    now = plan(tiny.model, 0, 0)
    before = snapshot(state)
    discriminator_step(state, task, now, reals_for(tiny, task, now))
    middle = snapshot(state)
    generator_step(state, task, now)
    after = snapshot(state)
    changed_by_d = {n for n in middle if not same(before.get(n), middle[n])}
    changed_by_g = {n for n in after if not same(middle.get(n), after[n])}
    assert {n.split(".")[0] for n in changed_by_d} == {"discriminator", "adam_discriminator"}
    assert {n.split(".")[0] for n in changed_by_g} == {"generator", "adam_generator", "ema", "step"}


def test_shared_fakes_are_the_generators_own(tiny) -> None:
    """Made before the discriminator learns, they still carry the generator's gradient after it."""
    task, now = tiny.task(), plan(tiny.model, 0, 0)
    states = [tiny.state(), tiny.state()]
    fakes = list(each_fakes(states[0], task, now, "generator"))
    for state, shared in zip(states, (fakes, None), strict=True):
        discriminator_step(state, task, now, reals_for(tiny, task, now), fakes)
        generator_step(state, task, now, shared)
    one, other = (state.tensors() for state in states)
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("who", ["discriminator", "generator"])
def test_non_finite_gradient_stops_before_weights_change(tiny, who) -> None:
    task, state = tiny.task(), tiny.state()
    now = plan(tiny.model, 0, 0)
    network = state.generator if who == "generator" else state.discriminator
    # A weight that makes this network's gradient, and not the other's, infinite.
    parameter = list(network.parameters())[-1]
    parameter.register_hook(lambda grad: grad * float("inf"))
    before = snapshot(state)
    with pytest.raises(NonFinite, match=f"gradient of the {who}"):
        if who == "discriminator":
            discriminator_step(state, task, now, reals_for(tiny, task, now))
        else:
            generator_step(state, task, now)
    after = snapshot(state)
    assert all(torch.equal(before[n], after[n]) for n in before)


def test_r1_comes_lazily(tiny) -> None:
    task, state = tiny.task(), tiny.state()
    seen = []
    for step in range(4):
        state.step = step
        now = plan(tiny.model, 0, step)
        seen.append("r1" in discriminator_step(state, task, now, reals_for(tiny, task, now)))
    assert seen == [True, False, True, False]


def test_global_generator_is_untouched(tiny) -> None:
    task, state = tiny.task(), tiny.state()
    before = torch.get_rng_state()
    generator_step(state, task, plan(tiny.model, 0, 0))
    assert torch.equal(before, torch.get_rng_state())
