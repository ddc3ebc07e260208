from dataclasses import replace

import pytest
import torch

from gof.fields.analytic import Ellipsoid, sphere
from gof.geometry.cameras import camera_rays, pixel_grid, plane_rays, project
from gof.geometry.settings import Camera
from gof.losses import conditional as face
from gof.rendering.interface import Guide, RenderSettings
from gof.rendering.query import Everywhere
from gof.rendering.render import render, render_moved
from gof.rendering.settings import Sampling
from gof.run import rng

PLACE = Camera(), (1.0, 1.0, 1.0)
SAMPLING = Sampling(coarse=48, secant=8)
SETTINGS = RenderSettings.of("occupancy", SAMPLING, 0.01, PLACE)
POSES = torch.tensor([[0.3, -0.2], [-0.4, 0.1]])
FOV = 12.0


def sphere_guide(rays, radius=0.08):
    b = (rays.origins * rays.directions).sum(-1)
    inside = b**2 - (1 - radius**2)
    depth = torch.where(inside > 0, -b - inside.clamp_min(0).sqrt(), 0.0)
    return Guide(depth, depth > 0)


def test_distance_term_is_zero_in_the_shell_and_pushes_weight_out_of_the_rest() -> None:
    guide = Guide(torch.full((1, 4), 0.95), torch.tensor([[True, True, False, False]]))
    t = torch.tensor([0.90, 0.94, 0.95, 0.96, 1.05]).expand(1, 4, 5)
    weights = torch.full((1, 4, 5), 0.2, requires_grad=True)
    inside = torch.zeros(5).scatter(0, torch.tensor([1, 2, 3]), 0.3).expand(1, 4, 5)
    assert face.distance_term(inside, t, guide, 0.0101) == 0
    face.distance_term(weights, t, guide, 0.0101).backward()
    assert (weights.grad[0, :2, [0, 4]] > 0).all()
    assert (weights.grad[0, :2, 1:4] == 0).all() and (weights.grad[0, 2:] == 0).all()
    assert weights.grad[0, 0, 4] > weights.grad[0, 0, 0]  # farther costs more
    expected = 0.2 * (torch.expm1(20 * torch.tensor([0.0399, 0.0899]))).sum() / 5
    torch.testing.assert_close(
        face.distance_term(weights.detach(), t, guide, 0.0101), expected, rtol=1e-4, atol=0
    )


def test_background_term_sees_only_what_floats_before_the_face_beside_it() -> None:
    rays = camera_rays(torch.zeros(1, 2), 16, FOV)
    guide = sphere_guide(rays)
    out = render(sphere(0.08), rays, SETTINGS)

    def term(weights, t):
        moved = replace(out, weights=weights, t=t)
        return face.background_term(moved, rays.at(t)[..., 2], guide, SETTINGS.near)

    behind = torch.full_like(out.t, 1.1)
    before = torch.full_like(out.t, 0.89)
    ones = torch.full_like(out.t, 0.1)
    on = guide.mask[..., None]
    # face rays keep their samples throughout: only the others can offend
    assert term(ones, torch.where(on, out.t, behind)) == 0
    assert term(ones, torch.where(on, out.t, before)) > 0
    assert term(ones * on, torch.where(on, out.t, before)) == 0


def test_background_term_is_finite_where_no_ray_meets_the_mesh() -> None:
    rays = camera_rays(torch.zeros(1, 2), 8, FOV)
    out = render(sphere(0.08), rays, SETTINGS)
    nothing = Guide(torch.zeros(1, 64), torch.zeros(1, 64, dtype=torch.bool))
    value = face.background_term(out, rays.at(out.t)[..., 2], nothing, SETTINGS.near)
    assert torch.isfinite(value)
    assert torch.isfinite(face.distance_term(out.weights, out.t, nothing, 0.01))


def test_depth_smoothness_of_a_ramp() -> None:
    ramp = (torch.arange(8.0) * 0.01).expand(1, 8, 8)
    mask = torch.zeros(1, 8, 8, dtype=torch.bool)
    torch.testing.assert_close(face.depth_smoothness(ramp, mask), torch.tensor(2e-4))
    torch.testing.assert_close(face.depth_smoothness(ramp, ~mask), torch.tensor(1e-4))


def test_reconstruction_weighs_blocks_alike() -> None:
    z = torch.zeros(2, 7)
    read = torch.cat([torch.ones(2, 1), torch.zeros(2, 6)], -1)
    torch.testing.assert_close(face.reconstruction(read, z, [1, 6]), torch.tensor(0.5))


@pytest.fixture(scope="module")
def seen_sphere():
    """Landmarks on the visible side of a sphere, what they project to, and its depth."""
    drawn = torch.nn.functional.normalize(
        rng.streams(0, "landmarks", range(2)).normal(68, 3) * 0.25 + torch.tensor([0, 0, 1.0]),
        dim=-1,
    )
    marks = drawn * 0.08
    plane, _ = project(marks, POSES, FOV)
    rays = camera_rays(POSES, 128, FOV)
    guide = sphere_guide(rays)
    depth = torch.where(guide.mask, guide.depth, 1.12).unflatten(-1, (128, 128))
    return plane, marks, depth


def test_landmarks_lifted_by_the_true_depth_are_the_true_landmarks(seen_sphere) -> None:
    plane, marks, depth = seen_sphere
    flat, lifted = face.landmark_terms(plane, plane, marks, depth, (POSES, FOV))
    assert flat == 0
    assert lifted < 2e-4  # 0.2 % of the sphere's radius


def test_landmarks_are_read_upright() -> None:
    # a depth that grows upwards, so that a mirrored reading would show
    read = rng.streams(0, "plane", range(2)).uniform(68, 2) * 1.6 - 0.8
    wanted = plane_rays(read, POSES, FOV).at(1 + 0.05 * read[..., 1:]).squeeze(2)
    height = pixel_grid(32)[:, 1].reshape(1, 32, 32).expand(2, -1, -1)
    _, right = face.landmark_terms(read, read, wanted, 1 + 0.05 * height, (POSES, FOV))
    _, mirrored = face.landmark_terms(read, read, wanted, 1 - 0.05 * height, (POSES, FOV))
    assert right < 1e-6 and mirrored > 1e-3


def test_landmark_terms_reach_position_and_depth(seen_sphere) -> None:
    plane, marks, depth = seen_sphere
    read = (plane + 0.01).requires_grad_()
    depth = depth.clone().requires_grad_()
    _, lifted = face.landmark_terms(read, plane, marks, depth, (POSES, FOV))
    lifted.backward()
    assert read.grad[:, face.FIRST_INNER :].abs().min() > 0
    assert (read.grad[:, : face.FIRST_INNER] == 0).all()
    assert (depth.grad != 0).any()


class Moved:
    """A field seen in a space that was moved."""

    def __init__(self, field, by) -> None:
        self.field, self.by = field, by

    def logits(self, points):
        return self.field.logits(points + self.by)

    def radiance(self, points, directions):
        return self.field.radiance(points + self.by, directions)


def warping_terms(other, flow):
    here = Ellipsoid((0.06, 0.07, 0.08), sharpness=300.0)
    rays = camera_rays(POSES, 24, FOV)
    out = render(other(here), rays, SETTINGS, ask=Everywhere)
    warped = render_moved(here, rays, out, SETTINGS, flow.expand_as(rays.origins))
    square = (24, 24)
    images = [seen.rgb.mT.unflatten(-1, square) for seen in (out, warped)]
    every = torch.ones(2, *square, dtype=torch.bool)
    pixels = face.warping_image_term(*images, every)
    shell = out.hit[..., None].expand_as(out.t)
    volume = face.warping_volume_term(
        (out.logits, out.colours), (warped.logits, warped.colours), shell
    )
    return float(pixels), float(volume)


def test_warping_is_zero_for_a_field_warped_exactly() -> None:
    by = torch.tensor([0.01, -0.005, 0.004])
    pixels, volume = warping_terms(lambda field: Moved(field, by), by)
    assert abs(pixels) < 1e-6 and abs(volume) < 1e-6
    pixels, volume = warping_terms(lambda field: Moved(field, by), -by)
    assert pixels > 1e-2 and volume > 1e-2


def test_labels_are_those_of_the_sphere() -> None:
    rays = camera_rays(POSES, 16, FOV)
    guide = sphere_guide(rays)
    streams = rng.streams(0, "labels", range(2))
    t, occupied = face.labelled_samples(guide, 0.88, 1.12, 6, streams)
    assert t.min() >= 0.88 and t.max() <= 1.12
    inside = rays.at(t).norm(dim=-1) < 0.08
    # a ray at the rim may leave the sphere again within the depth that counts as inside
    sure = (guide.depth < 0.95)[..., None].expand_as(t) | ~guide.mask[..., None]
    assert torch.equal(occupied[sure], inside[sure])
    assert 0.4 < float(occupied[guide.mask].float().mean()) < 0.6
    truth = sphere(0.08, sharpness=2000.0).logits(rays.at(t).flatten(1, 2)).reshape(t.shape)
    right = face.geometric_term(truth, occupied)
    assert right < 0.1 < face.geometric_term(-truth, occupied)


def test_lift_moves_points_of_the_plane_onto_the_surface_under_them() -> None:
    depth = sphere_guide(camera_rays(POSES, 128, FOV)).depth.unflatten(-1, (128, 128))
    plane = rng.streams(0, "points", range(2)).uniform(30, 2) - 0.5  # well inside the sphere
    world = face.lift(plane, depth, (POSES, FOV))
    assert (world.norm(dim=-1) - 0.08).abs().max() < 1e-4
    torch.testing.assert_close(project(world, POSES, FOV)[0], plane, rtol=0, atol=1e-5)
