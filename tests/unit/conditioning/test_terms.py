import pytest
import torch
from torch import Tensor

from gof.conditioning import terms as face_terms
from gof.conditioning.settings import Conditions
from gof.conditioning.terms import conditional_terms, warm_terms, warping_terms
from gof.fields.analytic import sphere
from gof.geometry.cameras import camera_rays, pixel_grid
from gof.geometry.settings import Camera
from gof.run import rng
from gof.training.fakes import draw_latents, make_fakes
from gof.training.schedule import plan
from gof.training.steps import discriminator_step, generator_step, warm_step

TERMS = {
    "geometric",
    "colour",
    "reconstruction",
    "distance",
    "background",
    "depth_smoothness",
    "landmarks_2d",
    "landmarks_3d",
    "warping",
}


def fakes_of(tiny, step):
    task, state = tiny.task(), tiny.state()
    now = plan(tiny.model, 1, step)
    return state, task, now, make_fakes(state, task, now, [8, 9, 10, 11], "generator")


def test_the_latent_holds_the_condition_and_the_camera_its_pose(tiny_faces) -> None:
    _, task, _, fakes = fakes_of(tiny_faces, 6)
    condition = tiny_faces.face.pool([8, 9, 10, 11], "generator", torch.device("cpu"))
    assert torch.equal(tiny_faces.face.layout.face(fakes.latents), condition.face)
    assert torch.equal(fakes.poses, condition.poses)
    rays = camera_rays(condition.poses, 8, task.camera.fov_deg)
    assert torch.equal(fakes.rays.origins, rays.origins)


def test_samples_lie_around_the_mesh_where_there_is_one(tiny_faces) -> None:
    _, _, now, fakes = fakes_of(tiny_faces, 6)
    guide = fakes.conditioned.guide
    near = (fakes.out.t - guide.depth[..., None]).abs() <= now.half_width + 1e-6
    assert (near.sum(-1)[guide.mask] >= tiny_faces.model.sampling.surface).all()


def test_other_processes_draw_other_samples(tiny_faces) -> None:
    task = tiny_faces.task()
    here, *_ = draw_latents(task, [0, 1], "generator")
    there, *_ = draw_latents(task, [2, 3], "generator")
    assert not torch.equal(here, there)


def test_every_term_is_computed_and_only_those_with_weight(tiny_faces) -> None:
    state, task, now, fakes = fakes_of(tiny_faces, 6)
    found = conditional_terms(state.generator, task.face, now, fakes, task.camera)
    assert found.keys() == TERMS
    assert all(torch.isfinite(value) and weight > 0 for weight, value in found.values())
    few = plan(tiny_faces.model, 0, 0)
    found = conditional_terms(state.generator, task.face, few, fakes, task.camera)
    assert found.keys() == {"geometric", "colour"}


def test_warm_terms_are_small_for_the_very_mesh(tiny_faces) -> None:
    face = tiny_faces.face
    condition = face.pool([0], "generator", torch.device("cpu"))
    radius = float(0.08 * (1 + 0.05 * condition.face[0, 0]))

    def term(radius):
        streams = rng.streams(0, "labels", [0])
        field = sphere(radius, sharpness=2000.0)
        return float(warm_terms(face, field, condition, Camera(), streams)["geometric"])

    assert term(radius) < 0.15
    assert term(radius) < term(radius * 1.05) and term(radius) < term(radius * 0.95)


def test_labelled_pixels_gather_about_landmarks(tiny_faces) -> None:
    condition = tiny_faces.face.pool([0, 1], "generator", torch.device("cpu"))
    size = round(condition.labels.shape[1] ** 0.5)
    marks = condition.landmarks[:, 17:].clamp(-1, 1)

    def furthest(share: float) -> Tensor:
        conditions = Conditions(geometric_rays=400, landmark_rays=share)
        streams = rng.streams(0, "labels", [0, 1])
        pixels = face_terms._labelled_pixels(conditions, condition, streams)
        assert pixels.shape == (2, 400)
        apart = torch.cdist(pixel_grid(size)[pixels], marks).amin(-1)
        return apart.amax(-1)

    assert (furthest(1.0) < 5 * face_terms.ABOUT + 2 / size).all()
    assert (furthest(0.0) > 0.5).all()


def test_warping_of_one_expression_onto_itself_is_zero(tiny_faces) -> None:
    state, task, _, fakes = fakes_of(tiny_faces, 6)
    same = type(fakes.condition)(
        **{
            name: getattr(fakes.condition, name)
            for name in fakes.condition.__dataclass_fields__
            if name != "other"
        },
        other=fakes.condition.face,
    )
    object.__setattr__(fakes, "condition", same)
    value = warping_terms(task.face, state.generator, fakes)["warping"]
    assert value.detach().abs() < 1e-5


def test_a_warm_step_learns_and_asks_no_discriminator(tiny_faces) -> None:
    task, state = tiny_faces.task(), tiny_faces.state()
    before = state.tensors()
    losses = []
    for step in range(30):
        now = plan(tiny_faces.model, 0, min(step, 5))
        state.set_learning_rates(now.stage, task.training, now.lr)
        losses.append(float(warm_step(state, task, now)["geometric"]))
    after = state.tensors()
    assert sum(losses[-5:]) < sum(losses[:5])
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
    reals = [tiny_faces.reals()(rows, torch.device("cpu")) for rows in task.rows(now)]
    values = discriminator_step(state, task, now, reals) | generator_step(state, task, now)
    assert TERMS | {"loss_d", "loss_g", "pose_g"} <= values.keys()
    assert all(torch.isfinite(value) for value in values.values())
