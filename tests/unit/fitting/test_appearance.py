"""Light and albedo from colours: derivatives, recovery, what hidden or wrong vertices may do."""

import dataclasses

import pytest
import torch

from gof.fitting import appearance as photometric_fit
from gof.fitting.appearance import Seen, fit_colour, light_law, look_at_vertices, sample_vertices
from gof.fitting.geometry import Placement
from gof.geometry.cameras import camera_axes, project
from gof.geometry.lighting import random_light, shade
from gof.geometry.shading import to_srgb
from gof.morphable.model import LinearAlbedo, MorphableModel
from gof.run.rng import streams

FOV = 12.0


def draws(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def spread_normals(count):
    """Unit vectors [count, 3] on the half that looks ahead."""
    normals = draws(count, 3, seed=5)
    normals[:, 2] = normals[:, 2].abs()
    return torch.nn.functional.normalize(normals, dim=-1)


def example(palette, count, vertices):
    """Heads of a palette under random light: albedo, light, and what their vertices show."""
    albedo = draws(count, palette.size)
    light = random_light(streams(3, "light", range(count)))
    normals = spread_normals(vertices).expand(count, -1, -1)
    colour = to_srgb(palette.colours(albedo) * shade(normals, light))
    weight = (colour.amax(-1) < photometric_fit.SATURATED).float()
    return albedo, light.flatten(1), Seen(colour, normals, weight)


def linear_palette(vertices):
    base = torch.full((vertices, 3), 150.0) + 20 * draws(vertices, 3)
    return LinearAlbedo(base, 12 * draws(4, vertices, 3, seed=9))


@pytest.fixture
def pigments(lively):
    return MorphableModel.load(lively).palette


def test_jacobian_is_that_of_automatic_differentiation(pigments):
    palette = pigments.at(torch.arange(40))
    _, _, seen = example(palette, 2, 40)
    phi = torch.cat(
        [0.5 * draws(2, palette.size, seed=2), light_law().mean.float().expand(2, -1)], 1
    )
    basis = photometric_fit.harmonics(seen.normals) * torch.tensor(photometric_fit.KERNEL)
    _, found = photometric_fit._linearise(seen, palette, phi, basis)
    exact = torch.func.jacrev(lambda p: photometric_fit._linearise(seen, palette, p, basis)[0])(phi)
    whole = torch.zeros_like(exact[:, :, :, 0])
    for channel in range(3):
        own = photometric_fit._columns(channel, palette.size)
        whole[:, channel][..., own] = found[:, channel]
    for k in range(2):
        torch.testing.assert_close(whole[k], exact[k, :, :, k], atol=1e-4, rtol=1e-4)


def test_normal_equations_are_those_of_the_whole_jacobian(pigments):
    palette = pigments.at(torch.arange(40))
    _, light, seen = example(palette, 2, 40)
    phi = torch.cat([0.5 * draws(2, palette.size, seed=2), light], 1)
    basis = photometric_fit.harmonics(seen.normals) * torch.tensor(photometric_fit.KERNEL)

    def residual(p):
        return photometric_fit._linearise(seen, palette, p, basis)[0]

    whole = torch.func.jacrev(residual)(phi).double()
    matrix, slope = photometric_fit._weighed(
        seen, *photometric_fit._linearise(seen, palette, phi, basis)
    )
    for k in range(2):
        wrong, jacobian = residual(phi)[k].double(), whole[k, :, :, k]
        spread = 1 + wrong.square().mean(0) / photometric_fit.OUTLIER**2
        weight = seen.weight[k].double() / spread / photometric_fit.NOISE**2
        exact = torch.einsum("cpa,p,cpb->ab", jacobian, weight, jacobian)
        torch.testing.assert_close(matrix[k].double(), exact, rtol=1e-4, atol=1e-4 * exact.max())
        pull = torch.einsum("cpa,p,cp->a", jacobian, weight, wrong)
        torch.testing.assert_close(slope[k].double(), pull, rtol=1e-4, atol=1e-4 * pull.abs().max())


@pytest.mark.parametrize("kind", ["pigments", "linear"])
def test_light_and_albedo_come_back(kind, pigments):
    palette = pigments if kind == "pigments" else linear_palette(300)
    count = len(palette.colours(torch.zeros(1, palette.size))[0])
    albedo, light, seen = example(palette, 6, count)
    fit = fit_colour(seen, palette, light_law())
    assert fit.finite.all()
    assert fit.residual.max() < 0.01
    assert (fit.albedo - albedo).square().mean() < 0.1 * albedo.square().mean()
    spread = light_law().precision.inverse().diagonal().mean()
    assert (fit.light - light).square().mean() < 0.15 * spread


def test_wrong_colours_of_a_fifth_of_the_vertices_do_little(pigments):
    albedo, _, seen = example(pigments, 4, 408)
    spoilt = seen.colour.clone()
    spoilt[:, ::5] = torch.rand(spoilt[:, ::5].shape, generator=torch.Generator().manual_seed(0))
    clean, dirty = (
        fit_colour(dataclasses.replace(seen, colour=c), pigments, light_law())
        for c in (seen.colour, spoilt)
    )
    assert (dirty.albedo - clean.albedo).abs().mean() < 0.2
    assert (dirty.albedo - albedo).square().mean() < 0.3 * albedo.square().mean()


def test_hidden_vertices_say_nothing_and_too_few_are_no_fit(pigments):
    _, _, seen = example(pigments, 2, 408)
    weight = seen.weight.clone()
    weight[:, 100:] = 0
    weight[1, 20:] = 0
    other = seen.colour.clone()
    other[:, 100:] = 0.9
    one, two = (
        fit_colour(dataclasses.replace(seen, colour=c, weight=weight), pigments, light_law())
        for c in (seen.colour, other)
    )
    torch.testing.assert_close(one.albedo, two.albedo)
    assert one.finite.tolist() == [True, False]


def test_uncertainty_grows_where_less_is_seen(pigments):
    _, _, seen = example(pigments, 1, 408)
    few = dataclasses.replace(seen, weight=seen.weight * (torch.arange(408) < 60))
    fits = (fit_colour(s, pigments, light_law()).covariance[0] for s in (seen, few))
    sure, unsure = (covariance.diagonal() for covariance in fits)
    assert (unsure > 0.95 * sure).all()
    assert (unsure / sure).mean() > 1.5


def test_look_reads_the_pixel_under_each_visible_vertex(lively):
    model = MorphableModel.load(lively)
    pose = torch.tensor([[0.3, -0.1]])
    world = model.mean[None]
    x = (torch.arange(128) + 0.5) / 128
    ramp = torch.stack([x.expand(128, 128), x.flip(0)[:, None].expand(128, 128)])  # x, and y up
    images = torch.cat([ramp, ramp[:1] * 0 + 0.25])[None]
    place = Placement(pose, torch.zeros(1), torch.zeros(1, 3))
    colour, normals, visible = look_at_vertices(images, world, model.triangles, place, FOV)
    plane, _ = project(world, pose, FOV)
    inside = visible[0]
    torch.testing.assert_close(colour[0, inside, :2], (plane[0, inside] + 1) / 2, atol=2e-3, rtol=0)
    # on a sphere, what is seen is what looks at the camera
    towards = (normals[0] @ camera_axes(pose)[2][0]) > 0.35
    assert visible[0][towards].float().mean() > 0.95
    assert not visible[0][(normals[0] @ camera_axes(pose)[2][0]) < 0.1].any()


def test_look_does_not_see_through_a_nearer_surface(lively):
    model = MorphableModel.load(lively)
    count, half = len(model.mean), model.mean * 0.5
    near = half + torch.tensor([0.0, 0.0, 0.15])
    world = torch.cat([model.mean, near])[None]
    triangles = torch.cat([model.triangles, model.triangles + count])
    place = Placement(torch.zeros(1, 2), torch.zeros(1), torch.zeros(1, 3))
    _, _, visible = look_at_vertices(torch.zeros(1, 3, 64, 64), world, triangles, place, FOV)
    plane, _ = project(world, torch.zeros(1, 2), FOV)
    radius = plane[0, :count].norm(dim=-1)
    ahead = model.mean[:, 2] > 0.02
    covered = plane[0, count:].norm(dim=-1).max()
    assert not visible[0, :count][ahead & (radius < 0.9 * covered)].any()
    assert visible[0, :count][ahead & (radius > 1.1 * covered)].any()


def test_saturated_pixels_are_left_out(lively):
    model = MorphableModel.load(lively)
    place = Placement(torch.zeros(1, 2), torch.zeros(1), torch.zeros(1, 3))
    white = look_at_vertices(
        torch.ones(1, 3, 64, 64), model.mean[None], model.triangles, place, FOV
    )
    assert white[2].any()
    assert not photometric_fit.observe(white, torch.arange(len(model.mean))).weight.any()


def test_sampled_vertices_are_those_of_the_region(lively):
    model = MorphableModel.load(lively)
    some = dataclasses.replace(model, face=model.mean[:, 2] > 0)
    face = sample_vertices(some, whole_head=False)
    assert some.face[face].all()
    assert len(face) == len(face.unique()) == int(some.face.sum())
    both = sample_vertices(some, whole_head=True)
    assert (~some.face)[both].sum() == min(photometric_fit.OTHER_SAMPLES, int((~some.face).sum()))
    torch.testing.assert_close(both, sample_vertices(some, whole_head=True))
