import torch

from gof.training.schedule import plan
from gof.training.settings import Stage
from gof.training.state import TrainState
from gof.training.steps import discriminator_step, generator_step
from tests.unit.toy_training import snapshot


def advance(tiny, state: TrainState, steps: int, stage: int = 0) -> None:
    task, reals = tiny.task(), tiny.reals(8 if stage == 0 else 16)
    for _ in range(steps):
        now = plan(tiny.model, stage, state.step)
        real = [reals(rows, torch.device("cpu")) for rows in task.rows(now)]
        discriminator_step(state, task, now, real)
        generator_step(state, task, now)


def assert_same(a: TrainState, b: TrainState) -> None:
    mine, theirs = a.tensors(), b.tensors()
    assert mine.keys() == theirs.keys()
    for name in mine:
        assert torch.equal(mine[name], theirs[name]), name


def test_flat_state_comes_back_and_goes_on_the_same(tiny) -> None:
    state, copy = tiny.state(), tiny.state()
    advance(tiny, state, 3)
    copy.fill({name: tensor.clone() for name, tensor in state.tensors().items()})
    assert_same(state, copy)
    advance(tiny, state, 2)
    advance(tiny, copy, 2)
    assert_same(state, copy)


def test_growing_keeps_weights_and_moments(tiny) -> None:
    state = tiny.state()
    advance(tiny, state, 2)
    before = snapshot(state)
    state.grow(tiny.training, 16, 3)
    after = snapshot(state)
    for name, tensor in before.items():
        assert torch.equal(after[name], tensor), name
    assert any(name.startswith("discriminator.blocks.16") for name in after.keys() - before.keys())
    state.set_learning_rates(tiny.model.stages[1], tiny.training)
    state.step = 6
    advance(tiny, state, 1, stage=1)
    assert any(n.startswith("adam_discriminator.exp_avg.blocks.16") for n in state.tensors())


def test_mapping_network_has_its_own_learning_rate(tiny) -> None:
    state = tiny.state()
    state.set_learning_rates(Stage(resolution=8, steps=1, lr_generator=1e-3), tiny.training)
    rates = {
        id(p): group["lr"] for group in state.optimizer_g.param_groups for p in group["params"]
    }
    assert {rates[id(p)] for p in state.generator.mapping.parameters()} == {1e-3 * 0.2}
    assert {rates[id(p)] for p in state.generator.field.parameters()} == {1e-3}
    assert len(rates) == len(list(state.generator.parameters()))


def test_mapping_network_moves_by_its_own_learning_rate(tiny) -> None:
    # Adam's first step has the length of the learning rate: what each weight moved tells its rate.
    state = tiny.state()
    before = {name: p.detach().clone() for name, p in state.generator.named_parameters()}
    advance(tiny, state, 1)
    moved = {n: float((p - before[n]).abs().max()) for n, p in state.generator.named_parameters()}
    rate = tiny.model.stages[0].lr_generator
    mapping = max(v for n, v in moved.items() if n.startswith("mapping"))
    assert abs(mapping - 0.2 * rate) < 0.02 * rate
    assert abs(max(v for n, v in moved.items() if n.startswith("field.")) - rate) < 0.02 * rate


def test_ema_warms_up_and_follows(tiny) -> None:
    state = tiny.state()
    advance(tiny, state, 4)
    for mean, current in zip(state.ema.parameters(), state.generator.parameters(), strict=True):
        assert not torch.equal(mean, current)
        assert (mean - current).abs().max() < 2e-3
