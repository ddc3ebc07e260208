"""The updates against sums of their losses written out by hand."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from gof.geometry.settings import Camera
from gof.losses import adversarial
from gof.losses.settings import NormalSmoothness, Opacity
from gof.rendering.surface import normals
from gof.training import steps
from gof.training.schedule import plan
from gof.training.steps import discriminator_step, each_fakes, generator_step, warm_step
from gof.training.task import draw_samples, make_fakes
from tests.unit.toy_training import Asking, snapshot

UNCLIPPED = 1e9
TRAINING = {
    "pose_weight": 0.7,
    "r1_weight": 3.0,
    "r1_every": 2,
    "topk_decay": 0.75,
    "clip_generator": UNCLIPPED,
    "clip_discriminator": UNCLIPPED,
}


@pytest.fixture
def scene(tiny):
    """A state at the second stage, where new layers fade in, its task and its first plan."""
    tiny.training = tiny.training.model_copy(update=TRAINING)
    normal = NormalSmoothness(weight=0.3, distance=0.01, rays=1000)
    opacity = Opacity(weight=0.4, growth=1e-3)
    tiny.model = tiny.model.model_copy(update={"normal": normal, "opacity": opacity})
    state = tiny.state_after(6)
    state.grow(tiny.training, 16, 3)
    return tiny, state, plan(tiny.model, 1, 6)


def reals_for(tiny, task, now):
    reals = tiny.reals(now.stage.resolution)
    return [reals(rows, torch.device("cpu")) for rows in task.rows(now)]


def gradients(network):
    return [p.grad for p in network.parameters()]


def assert_gradients(network, by_hand, loss) -> None:
    """What a step left in `network` is the gradient of loss in its twin."""
    expected = torch.autograd.grad(loss, list(by_hand.parameters()), allow_unused=True)
    for found, wanted in zip(gradients(network), expected, strict=True):
        if wanted is None:
            assert found is None or not found.any()
        else:
            torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-3)


def twin(tiny, state):
    """The same state again, for the sum by hand: a step changes the weights."""
    other = tiny.state()
    other.grow(tiny.training, 16, 3)
    other.fill(state.tensors())
    return other


@pytest.mark.parametrize(
    ("step", "of_stage", "due"),
    [(6, None, 3.0), (7, None, None), (6, 5.0, 5.0), (6, 0.0, None)],
)
@pytest.mark.parametrize("share", [False, True])
def test_discriminator(scene, step, of_stage, due, share) -> None:
    """due: the weight of a gradient penalty at this step, None where there is none; of_stage: the
    stage's own."""
    tiny, state, now = scene
    stage = now.stage.model_copy(update={"r1_weight": of_stage})
    task, now = tiny.task(), replace(now, step=step, scheduled=step, stage=stage)
    assert now.fade < 1
    other, reals, who = twin(tiny, state), reals_for(tiny, task, now), "discriminator"
    shared = None
    if share:
        who = "generator"
        shared = list(each_fakes(state, task, now, who))
    values = discriminator_step(state, task, now, [real.clone() for real in reals], shared)

    network, terms = other.discriminator, ("loss_d", "pose_d", "accuracy_real", "accuracy_fake")
    sums = dict.fromkeys((*terms, "r1"), 0.0)
    for rows, real in zip(task.rows(now), reals, strict=True):
        with torch.no_grad():
            fakes = make_fakes(other, task, now, rows, who)
        real.requires_grad_()
        scores, _ = network(real, now.fade)
        faked, read = network(fakes.images, now.fade)
        slope = torch.autograd.grad(scores.sum(), real, create_graph=True)[0]
        sums["loss_d"] += (F.softplus(-scores).mean() + F.softplus(faked).mean()) / 2
        sums["pose_d"] += (read - fakes.drawn.poses).square().mean() / 2
        sums["accuracy_real"] += (scores > 0).float().mean() / 2
        sums["accuracy_fake"] += (faked < 0).float().mean() / 2
        sums["r1"] += 0.5 * slope.square().sum((1, 2, 3)).mean() / 2
    loss = sums["loss_d"] + 0.7 * sums["pose_d"] + (due * 2 * sums["r1"] if due else 0)
    assert_gradients(state.discriminator, network, loss)
    assert values.keys() == ({*terms, "r1"} if due else {*terms})
    for name, value in values.items():
        torch.testing.assert_close(value, sums[name].detach(), atol=1e-6, rtol=1e-4)
    assert all(p.grad is None for p in state.generator.parameters())


def smoothness(fakes, normal):
    """Mean over the rays that hit of the mean square that two normals differ, a neighbour each."""
    points = fakes.rays.at(fakes.out.surface_t[..., None]).squeeze(2)
    streams, count = fakes.drawn.streams, points.shape[1]
    order = (streams.uniform(count) + ~fakes.out.hit).argsort(-1)
    points = points.gather(1, order[..., None].expand(-1, -1, 3))
    aside = F.normalize(streams.normal(count, 3), dim=-1) * normal.distance
    here, there = (normals(fakes.field, at, True) for at in (points, points + aside))
    hit = fakes.out.hit.gather(1, order)
    return (here - there).square().mean(-1)[hit].mean()


@pytest.mark.parametrize(("step", "keep"), [(6, 4), (2000, 3), (10**6, 2)])
@pytest.mark.parametrize("conditional", [False, True])
def test_generator(scene, step, keep, conditional) -> None:
    tiny, state, now = scene
    task = tiny.task()
    if conditional:
        task = replace(task, conditioner=Asking())
    now = replace(now, step=step, scheduled=step)
    other = twin(tiny, state)
    values = generator_step(state, task, now)

    sums = dict.fromkeys(("loss_g", "pose_g", "opacity", "smoothness", "hit"), 0.0)
    sums |= {"bright": 0.0, "near": 0.0} if conditional else {}
    other.discriminator.requires_grad_(False)
    for rows in task.rows(now):
        fakes = make_fakes(other, task, now, rows, "generator")
        scores, read = other.discriminator(fakes.images, now.fade)
        best = scores.topk(keep).indices
        occupancy = fakes.out.logits.sigmoid()
        prior = torch.log((0.1 + occupancy) * (1.1 - occupancy)).mean() - torch.tensor(0.11).log()
        sums["loss_g"] += F.softplus(-scores[best]).mean() / 2
        sums["pose_g"] += (read - fakes.drawn.poses)[best].square().mean() / 2
        sums["opacity"] += prior / 2
        sums["smoothness"] += smoothness(fakes, tiny.model.normal) / 2
        sums["hit"] += fakes.out.hit.float().mean() / 2
        if conditional:
            sums["bright"] += fakes.images.square().mean() * task.camera.fov_deg / 2
            sums["near"] += fakes.drawn.poses.mean() * fakes.out.depth.mean() / 2
    loss = sums["loss_g"] + 0.7 * sums["pose_g"] + now.opacity_weight * sums["opacity"]
    loss = loss + 0.3 * sums["smoothness"]
    if conditional:
        loss = loss + 2.0 * sums["bright"] + 0.5 * sums["near"]
    assert_gradients(state.generator, other.generator, loss)
    assert values.keys() == sums.keys()
    for name, value in values.items():
        torch.testing.assert_close(value, sums[name].detach(), atol=1e-6, rtol=1e-4)


def test_terms_without_weight_are_not_computed(scene) -> None:
    tiny, state, now = scene
    changes = {"opacity": Opacity(weight=0), "normal": NormalSmoothness(weight=0)}
    task = tiny.task(model=tiny.model.model_copy(update=changes))
    assert generator_step(state, task, now).keys() == {"loss_g", "pose_g", "hit"}


def test_the_released_opacity_prior_is_one_of_red(scene) -> None:
    tiny, state, now = scene
    red = Opacity(weight=0.4, growth=1e-3, of="red")
    task = tiny.task(model=tiny.model.model_copy(update={"opacity": red}))
    expected = 0.0
    for rows in task.rows(now):
        with torch.no_grad():
            fakes = make_fakes(state, task, now, rows, "generator")
        share = (fakes.out.colours[..., 0] + 1) / 2  # what the sigmoid gave
        prior = torch.log((0.1 + share) * (1.1 - share)).mean() - torch.tensor(0.11).log()
        expected = expected + prior / 2
    values = generator_step(state, task, now)
    torch.testing.assert_close(values["opacity"], expected, atol=1e-6, rtol=1e-4)


def test_densities_have_no_opacity_prior(scene) -> None:
    tiny, state, now = scene
    sampling = tiny.model.sampling.model_copy(update={"surface": 0, "fine": 2})
    model = tiny.model.model_copy(update={"integrator": "density", "sampling": sampling})
    values = generator_step(state, tiny.task(model=model), now)
    assert values.keys() == {"loss_g", "pose_g", "smoothness", "hit"}


def test_smoothness_looks_at_rays_that_hit_first(scene, monkeypatch) -> None:
    tiny, state, now = scene
    seen = []
    monkeypatch.setattr(steps, "normal_smoothness", lambda *given: seen.append(given))
    fakes = make_fakes(state, tiny.task(), now, [0, 1, 2, 3], "generator")
    hits = fakes.out.hit.sum(1)
    surface = fakes.rays.at(fakes.out.surface_t[..., None]).squeeze(2)
    assert hits.min() > 5 and hits.max() < surface.shape[1]
    for rays, looked_at in ((5, 5), (1000, surface.shape[1])):
        steps._smoothness(fakes, NormalSmoothness(weight=1, distance=0.02, rays=rays))
        field, points, hit, offset = seen[-1]
        assert field is fakes.field and points.shape == offset.shape == (4, looked_at, 3)
        torch.testing.assert_close(offset.norm(dim=-1), torch.full(hit.shape, 0.02))
        assert torch.equal(hit.sum(1), hits.clamp(max=looked_at))
        assert (torch.cdist(points, surface).amin(-1) < 1e-3).all()
        assert all(len(own.unique(dim=0)) == len(own) for own in points[:, :5])
    # Other rays of the same image the next time.
    steps._smoothness(fakes, NormalSmoothness(weight=1, distance=0.02, rays=5))
    assert not torch.equal(seen[2][1], seen[0][1]) and not torch.equal(seen[2][3], seen[0][3])


def test_a_warm_step_is_the_sum_of_the_conditioners_terms(scene) -> None:
    tiny, state, now = scene
    task, other = replace(tiny.task(), conditioner=Asking()), twin(tiny, state)
    before = snapshot(state)
    values = warm_step(state, task, now)
    loss, value = 0.0, 0.0
    for rows in task.rows(now):
        drawn = draw_samples(task, rows, "generator")
        field = other.generator.bind(other.generator.style(drawn.latents))
        term = field.logits(drawn.latents[:, None, :3] * task.camera.near * 0.1).square().mean()
        loss, value = loss + 3.0 * term / 2, value + term.detach() / 2
    assert_gradients(state.generator, other.generator, loss)
    torch.testing.assert_close(values["labels"], value)
    torch.testing.assert_close(values["unweighted"], 2 * value)
    after = state.tensors()
    assert state.step == 7
    assert all(torch.equal(before[n], after[n]) for n in before if n.startswith("discriminator."))
    changed = {n.split(".")[0] for n in before if not torch.equal(before[n], after[n])}
    assert changed == {"generator", "ema", "step", "adam_generator"}


def norm(network) -> float:
    return float(torch.cat([g.flatten() for g in gradients(network) if g is not None]).norm())


@pytest.mark.parametrize("update", ["discriminator", "generator", "warm"])
def test_gradients_are_clipped_each_to_its_own_norm(scene, update) -> None:
    tiny, state, now = scene
    clip = {"clip_discriminator": 2e-3, "clip_generator": 1e-3}
    tiny.training = tiny.training.model_copy(update=clip)
    task = replace(tiny.task(), conditioner=Asking())
    if update == "discriminator":
        discriminator_step(state, task, now, reals_for(tiny, task, now))
        assert norm(state.discriminator) == pytest.approx(2e-3, rel=1e-3)
    else:
        (warm_step if update == "warm" else generator_step)(state, task, now)
        assert norm(state.generator) == pytest.approx(1e-3, rel=1e-3)


@pytest.mark.parametrize("update", [generator_step, warm_step])
def test_the_average_follows_with_its_decay(scene, update) -> None:
    tiny, state, now = scene
    tiny.training = tiny.training.model_copy(update={"ema": 0.3})
    before = [p.clone() for p in state.ema.parameters()]
    update(state, replace(tiny.task(), conditioner=Asking()), now)
    assert state.step == 7
    for old, new, weight in zip(
        before, state.ema.parameters(), state.generator.parameters(), strict=True
    ):
        torch.testing.assert_close(new, 0.3 * old + 0.7 * weight)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_discriminator_alone_runs_in_mixed_precision(scene, precision) -> None:
    tiny, state, now = scene
    tiny.training = tiny.training.model_copy(update={"precision": precision})
    task, seen = tiny.task(), []
    state.discriminator.register_forward_hook(lambda *given: seen.append(given[2][0].dtype))
    discriminator_step(state, task, now, reals_for(tiny, task, now))
    generator_step(state, task, now)
    assert set(seen) == {getattr(torch, precision)} and len(seen) == 6
    assert all(p.dtype == torch.float32 for p in state.generator.parameters())


@pytest.mark.parametrize("who", ["generator", "discriminator"])
def test_only_the_generators_fakes_have_a_gradient(scene, who) -> None:
    tiny, state, now = scene
    batches = list(each_fakes(state, tiny.task(), now, who))
    assert len(batches) == 2
    assert all(fakes.images.requires_grad == (who == "generator") for fakes in batches)


@pytest.mark.parametrize(("law", "circle"), [("gaussian", False), ("sphere", True)])
def test_poses_all_the_way_round_are_compared_on_the_circle(scene, monkeypatch, law, circle):
    tiny, state, now = scene
    task, seen = replace(tiny.task(), camera=Camera(law=law)), []
    measure = adversarial.pose_loss

    def spied(read, poses, around):
        seen.append(around)
        return measure(read, poses, around)

    monkeypatch.setattr(adversarial, "pose_loss", spied)
    discriminator_step(state, task, now, reals_for(tiny, task, now))
    generator_step(state, task, now)
    assert len(seen) == 4 and set(seen) == {circle}
