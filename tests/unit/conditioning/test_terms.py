from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from gof.conditioning import terms
from gof.conditioning.settings import Conditions
from gof.conditioning.terms import label_terms, reading_terms, shape_terms, warping_terms
from gof.fields.analytic import sphere
from gof.geometry.cameras import camera_rays, pixel_grid, plane_rays
from gof.geometry.settings import Camera
from gof.losses import conditional as losses
from gof.rendering.query import Everywhere
from gof.rendering.render import render
from gof.run import rng
from gof.training.schedule import plan
from gof.training.steps import discriminator_step, generator_step, warm_step
from gof.training.task import make_fakes
from tests.unit.conditioning.test_conditioner import TERMS
from tests.unit.toy_training import SIZES, snapshot

CPU = torch.device("cpu")
CAMERA = Camera()


def fakes_of(tiny, step=6):
    task, state = tiny.task(), tiny.state()
    now = plan(tiny.model, 1, step)
    return state, task, now, make_fakes(state, task, now, [8, 9, 10, 11], "generator")


def condition_of(tiny, rows=(0, 1)):
    """Conditions with pictures that show something."""
    found = tiny.conditioner.pool(list(rows), "generator", CPU)
    own = rng.streams(0, "pictures", range(len(rows)))
    return replace(found, picture=own.uniform(3, found.picture.shape[-1]) * 2 - 1)


def test_labels_are_those_of_the_mesh_at_the_pixels(tiny_faces) -> None:
    conditions, condition = Conditions(geometric_rays=20), condition_of(tiny_faces)
    field, streams = Balls().bind(condition.face), rng.streams(0, "labels", [0, 1])
    found = label_terms(conditions, field, condition, CAMERA, streams)
    own = rng.streams(0, "labels", [0, 1])
    pixels = terms._labelled_pixels(conditions, condition, own)
    depth = torch.stack([condition.labels[i, pixels[i]] for i in range(2)])
    guide = terms.Guide(depth, depth > 0)
    t, occupied = losses.labelled_samples(guide, CAMERA.near, CAMERA.far, 4, own)
    rays = plane_rays(pixel_grid(16)[pixels], condition.poses, CAMERA.fov_deg)
    points = rays.origins[:, :, None] + t[..., None] * rays.directions[:, :, None]
    logits = field.logits(points.flatten(1, 2)).view(2, 20, 4)
    chances = torch.where(occupied, logits.sigmoid(), 1 - logits.sigmoid())
    torch.testing.assert_close(found["geometric"], -chances.log().mean(), rtol=1e-4, atol=1e-6)
    seen = []
    for i in range(2):
        for k in range(20):
            if depth[i, k] > 0:
                at = rays.origins[i, k] + depth[i, k] * rays.directions[i, k]
                colour, _ = field.radiance(at.expand(2, 1, 3), rays.directions[:, :1])
                seen.append((colour[i, 0] - condition.picture[i, :, pixels[i, k]]).abs().mean())
    assert 5 < len(seen) < 40
    torch.testing.assert_close(found["colour"], torch.stack(seen).mean())


def test_labels_are_small_for_the_very_mesh(tiny_faces) -> None:
    condition = condition_of(tiny_faces, [0])
    radius = float(0.08 * (1 + 0.05 * condition.face[0, 0]))

    def term(radius):
        streams, conditions = rng.streams(0, "labels", [0]), tiny_faces.conditioner.conditions
        field = sphere(radius, sharpness=2000.0)
        return float(label_terms(conditions, field, condition, CAMERA, streams)["geometric"])

    assert term(radius) < 0.15
    assert term(radius) < term(radius * 1.05) and term(radius) < term(radius * 0.95)


def test_a_pixel_off_the_mesh_has_no_colour(tiny_faces) -> None:
    condition = condition_of(tiny_faces)
    empty = replace(condition, labels=torch.zeros_like(condition.labels))
    field, streams = Balls().bind(condition.face), rng.streams(0, "labels", [0, 1])
    assert label_terms(Conditions(), field, empty, CAMERA, streams)["colour"] == 0


def pixels_of(condition, share: float, count: int = 400) -> Tensor:
    """Places of labelled pixels, [n, count, 2]."""
    conditions = Conditions(geometric_rays=count, landmark_rays=share)
    streams = rng.streams(0, "labels", range(len(condition.face)))
    pixels = terms._labelled_pixels(conditions, condition, streams)
    assert pixels.shape == (len(condition.face), count)
    return pixel_grid(round(condition.labels.shape[1] ** 0.5))[pixels]


def test_labelled_pixels_gather_about_inner_landmarks(tiny_faces) -> None:
    condition = condition_of(tiny_faces)
    fine = torch.zeros(2, 64**2)  # pixels small against the spread
    marks = torch.tensor([[-0.9, -0.9]]).repeat(68, 1)
    marks[17:40], marks[40:] = torch.tensor([0.5, 0.2]), torch.tensor([-0.4, -0.3])
    condition = replace(condition, labels=fine, landmarks=marks.expand(2, -1, -1))
    found = pixels_of(condition, 1.0).flatten(0, 1)
    first = found[:, 0] > 0.05
    assert 0.3 < first.float().mean() < 0.6  # 23 of 51
    for place, own in (((0.5, 0.2), found[first]), ((-0.4, -0.3), found[~first])):
        assert (own.mean(0) - torch.tensor(place)).abs().max() < 0.02
        assert (own.std(0) - terms.ABOUT).abs().max() < 0.01


def test_other_labelled_pixels_lie_anywhere(tiny_faces) -> None:
    condition = replace(condition_of(tiny_faces), labels=torch.zeros(2, 64**2))
    condition = replace(condition, landmarks=torch.full((2, 68, 2), 0.5))
    found = pixels_of(condition, 0.0).flatten(0, 1)
    assert found.mean(0).abs().max() < 0.06 and (found.std(0) - 3**-0.5).abs().max() < 0.04
    assert found.max() > 0.95 and found.min() < -0.95
    near = (pixels_of(condition, 0.25) - 0.5).norm(dim=-1) < 5 * terms.ABOUT
    assert near[:, 300:].all() and near[:, :300].float().mean() < 0.2


def test_pixels_beyond_the_image_are_its_edge(tiny_faces) -> None:
    condition = condition_of(tiny_faces)
    condition = replace(condition, landmarks=torch.full((2, 68, 2), 3.0))
    assert torch.equal(pixels_of(condition, 1.0), torch.full((2, 400, 2), 15 / 16))


def test_shape_terms_see_the_render_and_the_mesh(tiny_faces) -> None:
    *_, fakes = fakes_of(tiny_faces)
    found, out, guide = shape_terms(fakes), fakes.out, fakes.drawn.condition.guide
    width, near = fakes.settings.half_width, fakes.settings.near
    assert torch.equal(found["distance"], losses.distance_term(out.weights, out.t, guide, width))
    height = (
        fakes.rays.origins[:, :, None] + out.t[..., None] * fakes.rays.directions[:, :, None]
    )[..., 2]
    wanted = losses.background_term(out, height, guide, near)
    torch.testing.assert_close(found["background"], wanted)
    depth, mask = out.depth.view(4, 8, 8), guide.mask.view(4, 8, 8)
    assert torch.equal(found["depth_smoothness"], losses.depth_smoothness(depth, mask))
    assert found["depth_smoothness"] > 0


def test_reading_terms_compare_with_what_was_asked_for(tiny_faces) -> None:
    *_, fakes = fakes_of(tiny_faces)
    condition = fakes.drawn.condition
    own = rng.streams(0, "reading", range(4))
    error = torch.tensor([1.0, 1, 1, 2, 2, 3, 3, 4, 4])
    reading = SimpleNamespace(
        z=condition.face + error, landmarks=condition.landmarks + 0.1 * own.uniform(68, 2)
    )
    found = reading_terms(reading, SIZES, fakes, 12.0)
    torch.testing.assert_close(found["reconstruction"], torch.tensor(2.5))
    flat = (reading.landmarks - condition.landmarks).abs().mean()
    torch.testing.assert_close(found["landmarks_2d"], flat)
    lifted = losses.lift(reading.landmarks, fakes.out.depth.view(4, 8, 8), (condition.poses, 12.0))
    apart = (lifted - condition.landmarks_3d)[:, 17:].abs().mean()
    torch.testing.assert_close(found["landmarks_3d"], apart)


class Balls:
    """Stands in for a generator: balls of patterned colour; two coefficients, the expression,
    move the whole of them by a hundredth."""

    def style(self, z: Tensor) -> Tensor:
        return z

    def bind(self, z: Tensor) -> "Balls":
        bound = Balls()
        bound.centre = F.pad(z[:, 3:5], (0, 1)) * 0.01
        return bound

    def logits(self, points: Tensor) -> Tensor:
        return 300 * (0.08 - (points - self.centre[:, None]).norm(dim=-1))

    def radiance(self, points: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        return ((points - self.centre[:, None]) * 30).sin(), self.logits(points)


def warped(tiny, fakes, flow=None, masks=(True, True), guided=True) -> tuple[float, object]:
    """The term for a first image whose meshes cover all or nothing of it, as masks say."""
    some = fakes.drawn.condition[:1]
    moved = (some.face - some.other)[:, 3:5] * 0.01
    flow = F.pad(moved, (0, 1))[:, None].expand(-1, 64, -1) if flow is None else flow
    depth = torch.full((1, 64), 0.93)
    here, there = (depth * mask for mask in masks)
    some = replace(some, flow=flow, depth=here, other_depth=there)
    given = replace(fakes, drawn=replace(fakes.drawn, streams=rng.streams(0, "warp", range(4))))
    guide = some.other_guide if guided else None
    found = warping_terms(tiny.conditioner.layout, Balls(), given, some, guide)
    return float(found["warping"]), some


def test_warping_is_zero_for_a_field_that_moves_as_its_mesh(tiny_faces) -> None:
    *_, fakes = fakes_of(tiny_faces)
    exact, some = warped(tiny_faces, fakes)
    assert abs(exact) < 1e-5
    assert warped(tiny_faces, fakes, flow=-some.flow)[0] > 0.02
    assert warped(tiny_faces, fakes, flow=torch.zeros_like(some.flow))[0] > 0.02


@pytest.mark.parametrize(
    ("masks", "counts"),
    [((True, False), False), ((False, False), True), ((True, True), True), ((False, True), True)],
)
def test_pixels_that_only_this_expression_covers_do_not_count(tiny_faces, masks, counts) -> None:
    *_, fakes = fakes_of(tiny_faces)
    found, _ = warped(tiny_faces, fakes, torch.zeros(1, 64, 3), masks)
    assert found > 1e-3 if counts else found == 0


@pytest.mark.parametrize("guided", [True, False])
@pytest.mark.parametrize("half_width", [0.1, 0.004])
def test_warping_is_the_sum_of_its_terms(tiny_faces, guided, half_width) -> None:
    *_, fakes = fakes_of(tiny_faces)
    fakes = replace(fakes, settings=replace(fakes.settings, half_width=half_width, fine=3))
    found, some = warped(tiny_faces, fakes, torch.full((1, 64, 3), 0.004), guided=guided)
    rays = camera_rays(some.poses, 8, 12.0)
    guide = some.other_guide if guided else None
    there, here = (Balls().bind(z) for z in (some.other, some.face))
    out = render(there, rays, fakes.settings, rng.streams(0, "warp", [0]), guide, Everywhere)
    points = (rays.at(out.t) + 0.004).flatten(1, 2)
    colours, logits = here.radiance(points, points)
    shape = out.t.shape
    colours, logits = colours.view(*shape, 3), logits.view(shape)
    alpha = logits.sigmoid()
    free = torch.cumprod(1 - alpha, -1)
    weights = alpha * torch.cat([torch.ones_like(free[..., :1]), free[..., :-1]], -1)
    image = (weights[..., None] * colours).sum(2) + 1 - weights.sum(-1, keepdim=True)
    views = [rgb.mT.view(1, 3, 8, 8) for rgb in (out.rgb, image)]
    pixels = losses.warping_image_term(*views, torch.ones(1, 8, 8, dtype=torch.bool))
    shell = (out.t - 0.93).abs() <= half_width
    assert shell.any() and (half_width > 0.05 or not shell.all())
    volume = losses.warping_volume_term((out.logits, out.colours), (logits, colours), shell)
    assert found == pytest.approx(float(pixels + volume), rel=1e-3)


def test_warping_keeps_what_no_coefficient_governs(tiny_faces) -> None:
    state, _, _, fakes = fakes_of(tiny_faces)
    some = fakes.drawn.condition[:2]
    same = replace(some, other=some.face)
    layout = tiny_faces.conditioner.layout
    value = warping_terms(layout, state.generator, fakes, same, same.other_guide)["warping"]
    assert value.detach().abs() < 1e-5


def test_a_warm_step_learns_and_asks_no_discriminator(tiny_faces) -> None:
    task, state = tiny_faces.task(), tiny_faces.state()
    before = snapshot(state)
    found = []
    for step in range(30):
        now = plan(tiny_faces.model, 0, min(step, 5))
        state.set_learning_rates(now.stage, task.training, now.lr)
        found.append(float(warm_step(state, task, now)["geometric"]))
    after = snapshot(state)
    assert sum(found[-5:]) < sum(found[:5])
    assert all(torch.equal(before[n], after[n]) for n in before if n.startswith("discriminator."))
    assert state.step == 30


@pytest.mark.parametrize("integrator", ["occupancy", "density"])
def test_every_weight_of_a_conditional_generator_receives_gradient(tiny_faces, integrator) -> None:
    model = tiny_faces.model.model_copy(update={"integrator": integrator})
    task, state = tiny_faces.task(model=model), tiny_faces.state()
    generator_step(state, task, plan(model, 1, 6))
    for name, parameter in state.generator.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


def test_both_updates_run_on_conditions(tiny_faces) -> None:
    task, state = tiny_faces.task(), tiny_faces.state()
    now = plan(tiny_faces.model, 1, 6)
    reals = [tiny_faces.reals()(rows, CPU) for rows in task.rows(now)]
    values = discriminator_step(state, task, now, reals) | generator_step(state, task, now)
    assert TERMS | {"loss_d", "loss_g", "pose_g"} <= values.keys()
    assert all(torch.isfinite(value) for value in values.values())
