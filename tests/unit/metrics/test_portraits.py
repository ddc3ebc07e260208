from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from gof.experiment.model import Model
from gof.fields.analytic import sphere
from gof.geometry.cameras import camera_rays
from gof.geometry.settings import Camera
from gof.metrics.portraits import Conditional, RandomPairing, Renders, Request, surfaces
from gof.models import pretrained as generators
from gof.morphable.coefficients import Layout
from gof.rendering.interface import RenderSettings
from gof.rendering.settings import Sampling

MODEL = Model.model_validate(
    {"integrator": "occupancy", "stages": [{"resolution": 32, "steps": 1}]}
)


@pytest.fixture
def asked(obedience):
    z = obedience.layout.draw(0, "test", range(3))
    poses = torch.tensor([[0.0, 0.0], [0.3, 0.1], [-0.2, -0.1]])
    return Request(z, poses, 16, seed=0, purpose="test")


def test_a_heads_coefficients_depend_on_neither_the_batch_nor_the_free_entries(obedience):
    layout = obedience.layout
    bare = Layout({**layout.sizes, "free_geometry": 0, "free_texture": 0})
    all_, some = layout.draw(0, "p", range(5)), layout.draw(0, "p", range(3, 5))
    assert torch.equal(all_[3:], some)
    assert torch.equal(layout.face(all_), bare.draw(0, "p", range(5)))
    for other in (layout.draw(1, "p", range(5)), layout.draw(0, "q", range(5))):
        assert not (other == all_).any()
    assert abs(float(layout.draw(0, "p", range(300)).std()) - 1) < 0.02


def test_surfaces_are_those_of_a_sphere():
    place = Camera(), (1.0, 1.0, 1.0)
    settings = RenderSettings.of("occupancy", Sampling(secant=6), 0.02, place)
    radii = torch.tensor([[0.06], [0.08]])
    model = SimpleNamespace(
        device=torch.device("cpu"),
        rays=lambda poses, resolution: camera_rays(poses, resolution, 12.0),
        settings=settings,
        bind=lambda z, psi: sphere(float(z) * psi),
    )
    poses = torch.tensor([[0.2, 0.0], [0.0, -0.3]])
    for psi in (1.0, 0.5):
        t, hit = surfaces(model, Request(radii, poses, 32, 0, ""), 36, psi)
        rays = camera_rays(poses, 32, 12.0)
        b = (rays.origins * rays.directions).sum(-1)
        inside = b**2 - (1 - (psi * radii) ** 2)
        truth = (-b - inside.clamp_min(0).sqrt()).unflatten(-1, (32, 32))
        deep = (inside > 0.0009).unflatten(-1, (32, 32))  # chords longer than a sample spacing
        assert hit[deep].all() and deep.any()
        assert not hit[(inside < 0).unflatten(-1, (32, 32))].any()
        assert (t - truth)[deep].abs().max() < 1e-4


def test_a_conditional_generator_is_truncated_in_style(obedience, asked):
    model = generators.load(obedience.generator("cgof"))
    whole, cut = Conditional("cgof", model), Conditional("cgof_truncated", model, 0.0)
    assert not torch.equal(whole.portraits(asked).rgb[0], whole.portraits(asked).rgb[1])
    same = replace(asked, poses=torch.zeros(3, 2))
    mean = cut.portraits(same)  # psi 0 gives the mean head, whoever is asked for
    torch.testing.assert_close(mean.rgb[0], mean.rgb[1])
    t, hit = cut.surfaces(same, 24)
    torch.testing.assert_close(t[0], t[2])
    assert hit.any() and mean.mask.any()


def test_random_pairing_does_not_care_who_is_asked_for_and_repeats_itself(obedience, asked):
    source = RandomPairing(generators.load(obedience.generator("gof")))
    seen = source.portraits(asked)
    others = replace(asked, latents=-asked.latents)
    assert torch.equal(source.portraits(others).rgb, seen.rgb)
    assert torch.equal(source.surfaces(others, 16)[0], source.surfaces(asked, 16)[0])
    for change in ({"seed": 1}, {"purpose": "other"}, {"poses": -asked.poses}):
        assert not torch.equal(source.portraits(replace(asked, **change)).rgb, seen.rgb)


def test_renders_are_the_meshes_that_are_asked_for(obedience, asked):
    meshes = obedience.meshes()
    seen = Renders(meshes).portraits(asked)
    raster = meshes.raster(asked.latents, asked.poses, 16)
    assert torch.equal(seen.depth, raster.depth) and torch.equal(seen.mask, raster.mask)
    assert torch.equal(seen.rgb, meshes.pictures(asked.latents, asked.poses, 16))
    t, hit = Renders(meshes).surfaces(asked, 24)
    assert torch.equal(t, raster.depth) and torch.equal(hit, raster.mask)
