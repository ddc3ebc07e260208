from dataclasses import replace

import pytest
import torch

from gof.experiment.model import Model
from gof.geometry.cameras import camera_rays, sample_poses
from gof.geometry.settings import Camera
from gof.rendering.settings import DensityNoise, Sampling
from gof.run import rng
from gof.training.distributed import World
from gof.training.schedule import plan
from gof.training.task import draw_samples, make_fakes
from tests.unit.toy_training import STAGES, Asking

ROWS = [16, 17, 18, 19]
SURFACE = 2  # samples of the toy in the interval


def test_fakes_depend_on_sample_numbers_alone(tiny) -> None:
    task, state = tiny.task(), tiny.state()
    now = plan(tiny.model, 0, 2)
    with torch.no_grad():
        together = make_fakes(state, task, now, ROWS, "generator")
        alone = make_fakes(state, task, now, [18], "generator")
        other = make_fakes(state, task, now, [18], "discriminator")
    torch.testing.assert_close(together.images[2], alone.images[0], atol=1e-5, rtol=0)
    assert not torch.equal(alone.drawn.poses, other.drawn.poses)


def test_sample_numbers_go_on_from_step_to_step_and_are_shared_out(tiny) -> None:
    now = plan(tiny.model, 0, 3)
    assert tiny.task().rows(now) == [[24, 25, 26, 27], [28, 29, 30, 31]]
    assert tiny.task(World(1, 2)).rows(now) == [[28, 29, 30, 31]]


@pytest.mark.parametrize("law", ["gaussian", "uniform"])
def test_latents_and_poses_are_those_of_their_streams_and_the_law(tiny, law) -> None:
    task = replace(tiny.task(), camera=Camera(law=law, yaw=0.4, pitch=0.2))
    found = draw_samples(task, ROWS, "generator")
    own = rng.streams(task.seed, "generator", ROWS)
    assert torch.equal(found.latents, own.normal(4))
    assert torch.equal(found.poses, sample_poses(task.camera, own))
    assert found.condition is None
    many = draw_samples(task, list(range(400)), "discriminator")
    spread = torch.tensor([0.4, 0.2]) / (3**0.5 if law == "uniform" else 1)
    assert many.poses.std(0).allclose(spread, rtol=0.15)
    # What is drawn later goes on from there.
    assert torch.equal(found.streams.uniform(3), own.uniform(3))


def test_images_are_renders_of_the_step(tiny) -> None:
    task, state = tiny.task(), tiny.state()
    now = replace(plan(tiny.model, 0, 2), half_width=0.013)
    with torch.no_grad():
        fakes = make_fakes(state, task, now, ROWS, "generator")
    rays = camera_rays(fakes.drawn.poses, 8, task.camera.fov_deg)
    assert torch.equal(fakes.rays.origins, rays.origins)
    assert torch.equal(fakes.rays.directions, rays.directions)
    assert fakes.settings.half_width == 0.013
    assert (fakes.settings.near, fakes.settings.far) == (task.camera.near, task.camera.far)
    apart = (fakes.out.t - fakes.out.surface_t[..., None]).abs()[fakes.out.hit]
    # One sample of importance; the others lie in the interval.
    assert fakes.out.hit.any() and ((apart <= 0.013 + 1e-6).sum(-1) >= SURFACE).all()
    assert torch.equal(fakes.images[1, 2], fakes.out.rgb[1, :, 2].reshape(8, 8))
    seen = (fakes.out.weights[..., None] * fakes.out.colours).sum(2)
    white = (1 - fakes.out.alpha)[..., None].expand_as(seen)  # the background, (1, 1, 1)
    torch.testing.assert_close(fakes.out.rgb - seen, white, atol=1e-5, rtol=0)


def test_the_interval_narrows_with_the_step(tiny) -> None:
    task, state = tiny.task(), tiny.state()
    spread = []
    for step in (0, 4000):
        now = plan(tiny.model, 0, step)
        with torch.no_grad():
            out = make_fakes(state, task, now, ROWS, "generator").out
        spread.append(float((out.t - out.surface_t[..., None]).abs()[out.hit].amin(-1).max()))
    assert spread[1] <= 0.02 < spread[0]


def test_a_conditioner_draws_and_guides(tiny) -> None:
    task, state = replace(tiny.task(), conditioner=Asking()), tiny.state()
    own = rng.streams(task.seed, "generator", ROWS)
    now = plan(tiny.model, 0, 4000)
    with torch.no_grad():
        fakes = make_fakes(state, task, now, ROWS, "generator")
        free = make_fakes(state, task, replace(now, inside=0), ROWS, "generator")
    assert torch.equal(fakes.drawn.latents, own.normal(4))
    assert torch.equal(fakes.drawn.poses, own.normal(2) * 0.1)
    assert fakes.drawn.condition == (ROWS, "generator")

    def about(out):
        return ((out.t - 1).abs() <= now.half_width + 1e-6).sum(-1) >= SURFACE

    assert about(fakes.out).all() and not about(free.out).all()


@pytest.mark.parametrize("start", [0.0, 90.0])
def test_noise_is_added_to_densities_where_it_is_asked_for(tiny, start) -> None:
    sampling, noise = Sampling(coarse=6, surface=0, fine=2), DensityNoise(start=start)
    model = Model(integrator="density", sampling=sampling, density_noise=noise, stages=STAGES)
    task, state = tiny.task(model=model), tiny.state()
    with torch.no_grad():
        fakes = make_fakes(state, task, plan(model, 0, 0), ROWS, "generator")
        points = fakes.rays.at(fakes.out.t)
        logits = fakes.field.logits(points.flatten(1, 2)).reshape(fakes.out.t.shape)
    seen = fakes.out.logits > -30
    assert seen.any()
    off = (fakes.out.logits - logits)[seen] * sampling.density_scale
    assert off.std().item() == pytest.approx(start, rel=0.2, abs=0.1)
