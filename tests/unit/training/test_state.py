import pytest
import torch

from gof.run.files import InputError
from gof.training.schedule import plan
from gof.training.settings import Stage
from gof.training.state import TrainState, read_state
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
    moved = {
        n: float((p.detach() - before[n]).abs().max())
        for n, p in state.generator.named_parameters()
    }
    rate = tiny.model.stages[0].lr_generator
    mapping = max(v for n, v in moved.items() if n.startswith("mapping"))
    assert abs(mapping - 0.2 * rate) < 0.02 * rate
    assert abs(max(v for n, v in moved.items() if n.startswith("field.")) - rate) < 0.02 * rate


def test_a_fresh_state_is_drawn_from_its_seed(tiny) -> None:
    state, same = (TrainState.create(tiny.networks, tiny.model, 8, 3) for _ in range(2))
    other = TrainState.create(tiny.networks, tiny.model, 8, 4)
    assert_same(state, same)
    for name in ("generator", "discriminator"):
        drawn = [getattr(own, name).state_dict() for own in (state, other)]
        assert any(not torch.equal(drawn[0][key], drawn[1][key]) for key in drawn[0])
    for name, value in state.generator.state_dict().items():
        assert torch.equal(value, state.ema.state_dict()[name])
    assert not any(p.requires_grad for p in state.ema.parameters())
    assert all(p.requires_grad for p in state.generator.parameters())
    assert (state.step, state.history, state.window) == (0, [], [])
    assert "8" in state.discriminator.from_rgb and "16" not in state.discriminator.from_rgb
    assert {group["betas"] for group in state.optimizer_d.param_groups} == {(0.0, 0.9)}
    assert {group["betas"] for group in state.optimizer_g.param_groups} == {(0.0, 0.9)}
    owned = [id(p) for group in state.optimizer_d.param_groups for p in group["params"]]
    assert owned == [id(p) for p in state.discriminator.parameters()]


def rates(state: TrainState) -> list[float]:
    groups = (*state.optimizer_g.param_groups, *state.optimizer_d.param_groups)
    return [group["lr"] for group in groups]


def test_learning_rates_and_betas_of_a_stage(tiny) -> None:
    state = tiny.state()
    stage = Stage(resolution=8, steps=1, lr_generator=1e-3, lr_discriminator=5e-3)
    state.set_learning_rates(stage, tiny.training)
    assert rates(state) == [1e-3, 1e-3 * 0.2, 5e-3]
    state.set_learning_rates(stage, tiny.training, 0.5)
    assert rates(state) == [5e-4, 5e-4 * 0.2, 2.5e-3]
    warm = stage.model_copy(update={"objective": "geometric"})
    state.set_learning_rates(warm, tiny.training, 0.5)
    assert rates(state)[:2] == [5e-4, 5e-4]
    assert [group["betas"] for group in state.optimizer_g.param_groups] == [(0.5, 0.999)] * 2
    state.set_learning_rates(stage, tiny.training)
    assert [group["betas"] for group in state.optimizer_g.param_groups] == [(0.0, 0.9)] * 2


def test_growing_keeps_betas_and_draws_new_layers_from_the_seed(tiny) -> None:
    grown, other = tiny.state(), tiny.state()
    training = tiny.training.model_copy(update={"betas": (0.1, 0.8)})
    grown.grow(training, 16, 3)
    other.grow(training, 16, 4)
    assert {group["betas"] for group in grown.optimizer_d.param_groups} == {(0.1, 0.8)}
    owned = {id(p) for group in grown.optimizer_d.param_groups for p in group["params"]}
    assert owned == {id(p) for p in grown.discriminator.parameters()}
    first, second = (own.discriminator.blocks["16"].first.weight for own in (grown, other))
    assert not torch.equal(first, second)


def test_growing_keeps_each_moment_with_its_weight(tiny) -> None:
    state = tiny.state()
    advance(tiny, state, 2)
    before = {
        name: state.optimizer_d.state[p]["exp_avg_sq"].clone()
        for name, p in state.discriminator.named_parameters()
        if p in state.optimizer_d.state
    }
    assert len(before) > 5
    state.grow(tiny.training, 16, 3)
    for name, p in state.discriminator.named_parameters():
        assert (p in state.optimizer_d.state) == (name in before)
        if name in before:
            assert torch.equal(state.optimizer_d.state[p]["exp_avg_sq"], before[name])


def test_a_state_taken_over_shares_no_memory(tiny) -> None:
    state, other = tiny.state(), tiny.state()
    advance(tiny, state, 1)
    flat = state.tensors()
    assert all(v.is_contiguous() and not v.requires_grad for v in flat.values())
    other.fill(flat)
    before = snapshot(other)
    advance(tiny, state, 1)
    after = snapshot(other)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_moments_move_with_their_networks(tiny) -> None:
    state = tiny.state()
    advance(tiny, state, 1)
    twin = tiny.state()
    twin.fill(snapshot(state))
    moved = state.to(torch.device("meta"))
    assert moved is state
    every = [*state.generator.parameters(), *state.ema.parameters()]
    every += list(state.discriminator.parameters())
    assert {p.device.type for p in every} == {"meta"}


@pytest.mark.parametrize(("step", "decay"), [(0, 0.1), (1, 2 / 11), (90, 0.91), (10**5, 0.97)])
def test_the_average_forgets_early_weights_sooner(tiny, step, decay) -> None:
    state = tiny.state()
    state.step = step
    before = [p.clone() for p in state.ema.parameters()]
    with torch.no_grad():
        for p in state.generator.parameters():
            p.add_(1)
    state.update_ema(0.97)
    for old, new in zip(before, state.ema.parameters(), strict=True):
        torch.testing.assert_close(new, old + 1 - decay)


def test_damaged_and_missing_states_are_named(tmp_path) -> None:
    with pytest.raises(InputError, match=r"none: no such state"):
        read_state(tmp_path / "none")
    (tmp_path / "torn").write_bytes(b"torn")
    with pytest.raises(InputError, match=r"torn: damaged"):
        read_state(tmp_path / "torn")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda flat: flat.pop("step"), "no number of steps"),
        (lambda flat: flat.update(step=torch.tensor(-5)), "no number of steps"),
        (lambda flat: flat.update(step=torch.tensor(5.0)), "no number of steps"),
        (lambda flat: flat.pop("ema.mean_style"), r"lacks ema\.mean_style"),
        (lambda flat: flat.pop("adam_discriminator.exp_avg.head.bias"), "lacks adam_discr"),
        (lambda flat: flat.update({"generator.more": torch.zeros(1)}), "have no generator.more"),
        (
            lambda flat: flat.update({"ema.mean_style": flat["ema.mean_style"].to(torch.int8)}),
            r"ema\.mean_style is torch\.int8 \[\d+\], not torch\.float32",
        ),
        (
            lambda flat: flat.update({"ema.mean_style": torch.zeros(2, 2)}),
            r"ema\.mean_style is torch\.float32 \[2, 2\]",
        ),
        (
            lambda flat: [flat.pop(k) for k in list(flat) if k.startswith("adam_generator.")],
            "lacks the optimiser's moments",
        ),
    ],
)
def test_what_is_no_state_of_these_networks_changes_nothing(tiny, change, said) -> None:
    flat, state = tiny.state_after(5).tensors(), tiny.state()
    change(flat)
    before = snapshot(state)
    with pytest.raises(ValueError, match=said):
        state.fill(flat)
    after = snapshot(state)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_ema_warms_up_and_follows(tiny) -> None:
    state = tiny.state()
    advance(tiny, state, 4)
    for mean, current in zip(state.ema.parameters(), state.generator.parameters(), strict=True):
        assert not torch.equal(mean, current)
        assert (mean - current).abs().max() < 2e-3
