"""The rasteriser against brute-force ray casting and closed forms."""

import math

import pytest
import torch

from gof.geometry.cameras import camera_rays
from gof.geometry.raster import interpolate, rasterise

FOV = 12.0


def sphere(radius: float, rows: int, columns: int):
    """A latitude-longitude sphere, triangles counterclockwise from outside."""
    polar = torch.linspace(0, math.pi, rows + 1)
    turn = torch.arange(columns) / columns * 2 * math.pi
    p, t = torch.meshgrid(polar, turn, indexing="ij")
    points = torch.stack([p.sin() * t.sin(), p.cos(), p.sin() * t.cos()], -1) * radius
    faces = []
    for i in range(rows):
        for j in range(columns):
            a, b = i * columns + j, i * columns + (j + 1) % columns
            faces += [[a, a + columns, b], [b, a + columns, b + columns]]
    return points.reshape(-1, 3), torch.tensor(faces)


def brute_force(vertices, triangles, poses, resolution):
    """Nearest front-facing hit of every ray (Moeller and Trumbore, 1997), in double precision."""
    rays = camera_rays(poses.double(), resolution, FOV)
    corners = vertices.double()[:, triangles]
    a = corners[:, None, :, 0]
    u, v = corners[:, None, :, 1] - a, corners[:, None, :, 2] - a
    direction = rays.directions[:, :, None]
    p = torch.linalg.cross(direction, v.expand(-1, direction.shape[1], -1, -1))
    determinant = (p * u).sum(-1)
    from_a = rays.origins[:, :, None] - a
    second = (from_a * p).sum(-1) / determinant
    q = torch.linalg.cross(from_a, u.expand_as(from_a))
    third = (direction * q).sum(-1) / determinant
    t = (v * q).sum(-1) / determinant
    hit = (determinant > 0) & (second >= 0) & (third >= 0) & (second + third <= 1) & (t > 0)
    t = torch.where(hit, t, torch.inf)
    depth, face = t.min(-1)
    none = depth.isinf()
    shape = (len(poses), resolution, resolution)
    return torch.where(none, -1, face).view(shape), torch.where(none, 0, depth).view(shape)


@pytest.mark.parametrize("seed", [0, 1])
def test_agrees_with_ray_casting_on_random_triangles(seed):
    generator = torch.Generator().manual_seed(seed)
    centers = (torch.rand(3, 60, 1, 3, generator=generator) - 0.5) * 0.2
    corners = centers + (torch.rand(3, 60, 3, 3, generator=generator) - 0.5) * 0.08
    vertices, triangles = corners.view(3, -1, 3), torch.arange(180).view(-1, 3)
    poses = torch.tensor([[0.0, 0.0], [0.9, -0.4], [-2.5, 0.3]])
    raster = rasterise(vertices, triangles, poses, 32, FOV)
    face, depth = brute_force(vertices, triangles, poses, 32)
    assert (face >= 0).float().mean() > 0.2
    torch.testing.assert_close(raster.triangle_id, face)
    torch.testing.assert_close(raster.depth.double(), depth, atol=3e-6, rtol=0)


def test_positions_interpolate_to_the_points_that_rays_hit():
    vertices, triangles = sphere(0.08, 12, 16)
    poses = torch.tensor([[0.4, 0.2], [-1.0, 0.0]])
    batch = vertices.expand(2, -1, -1)
    raster = rasterise(batch, triangles, poses, 40, FOV)
    rays = camera_rays(poses, 40, FOV)
    points = rays.at(raster.depth.view(2, -1, 1)).squeeze(2)
    found = interpolate(raster, batch).view(2, -1, 3)
    mask = raster.mask.view(2, -1)
    torch.testing.assert_close(found[mask], points[mask], atol=2e-6, rtol=0)
    assert (found[~mask] == 0).all()
    torch.testing.assert_close(raster.barycentric.sum(-1), raster.mask.float())


def test_sphere_depth_and_silhouette():
    radius, resolution = 0.08, 64
    vertices, triangles = sphere(radius, 90, 180)
    poses = torch.tensor([[0.3, -0.2]])
    raster = rasterise(vertices[None], triangles, poses, resolution, FOV)
    rays = camera_rays(poses, resolution, FOV)
    half = -(rays.origins * rays.directions).sum(-1)
    under = half.square() - (1 - radius**2)
    exact = torch.where(under > 0, half - under.clamp(min=0).sqrt(), 0).view(1, 64, 64)
    clear = under.view(1, 64, 64).abs() > 3e-5  # not on the silhouette itself
    assert ((exact > 0) == raster.mask)[clear].all()
    both = (exact > 0) & raster.mask & clear
    torch.testing.assert_close(raster.depth[both], exact[both], atol=2e-4, rtol=0)
    assert abs(int(raster.mask.sum()) - int((exact > 0).sum())) < 0.01 * (exact > 0).sum()


def test_inside_out_mesh_is_not_seen():
    vertices, triangles = sphere(0.08, 8, 8)
    back = rasterise(vertices[None], triangles.flip(1), torch.zeros(1, 2), 16, FOV)
    front = rasterise(vertices[None], triangles, torch.zeros(1, 2), 16, FOV)
    assert torch.equal(front.mask, back.mask) and front.mask.any()
    assert (back.depth > front.depth)[front.mask].all()  # the far half, seen from inside


def test_shared_edges_leave_no_holes():
    """A square whose diagonal runs through pixel centres is covered once everywhere."""
    corners = torch.tensor([[-1.0, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]) * 0.2
    raster = rasterise(
        corners[None], torch.tensor([[0, 1, 2], [0, 2, 3]]), torch.zeros(1, 2), 32, FOV
    )
    assert raster.mask.all()
    assert set(raster.triangle_id.unique().tolist()) == {0, 1}


def test_what_lies_behind_the_camera_is_not_drawn():
    triangle = torch.tensor([[[-0.1, -0.1, 1.2], [0.1, -0.1, 1.2], [0.0, 0.1, 1.2]]])
    for faces in ([[0, 1, 2]], [[0, 2, 1]]):
        assert not rasterise(triangle, torch.tensor(faces), torch.zeros(1, 2), 16, FOV).mask.any()


def test_images_do_not_depend_on_their_batch():
    vertices, triangles = sphere(0.07, 10, 14)
    poses = torch.tensor([[0.0, 0.0], [0.7, 0.1], [-0.3, 0.4]])
    scaled = vertices * torch.tensor([0.8, 1.0, 1.2])[:, None, None]
    together = rasterise(scaled, triangles, poses, 24, FOV)
    for i in range(3):
        alone = rasterise(scaled[i : i + 1], triangles, poses[i : i + 1], 24, FOV)
        assert torch.equal(alone.triangle_id[0], together.triangle_id[i])
        assert torch.equal(alone.depth[0], together.depth[i])
        assert torch.equal(alone.barycentric[0], together.barycentric[i])


def test_a_mesh_outside_the_view_is_an_empty_picture_and_disturbs_no_other():
    vertices, triangles = sphere(0.05, 10, 14)
    shifts = torch.tensor([[0.5, 0.0, 0.0], [0.0, -0.5, 0.0], [0.0, 0.0, 3.0], [0.0, 0.0, 0.0]])
    poses = torch.zeros(4, 2)
    raster = rasterise(vertices + shifts[:, None], triangles, poses, 24, FOV)
    assert raster.mask.flatten(1).any(1).tolist() == [False, False, False, True]
    assert (raster.depth[:3] == 0).all() and (raster.barycentric[:3] == 0).all()
    assert (interpolate(raster, vertices.expand(4, -1, -1))[:3] == 0).all()
    alone = rasterise(vertices[None], triangles, poses[:1], 24, FOV)
    assert torch.equal(alone.depth[0], raster.depth[3])


def test_a_mesh_that_crosses_the_border_is_cut_there():
    """What the part in view shows does not depend on what lies beside it."""
    vertices, triangles = sphere(0.05, 30, 60)
    moved = vertices + torch.tensor([0.1, 0.02, 0.0])  # the border is at 0.105
    poses = torch.zeros(1, 2)
    narrow = rasterise(moved[None], triangles, poses, 32, FOV)
    face, depth = brute_force(moved[None], triangles, poses, 32)
    assert narrow.mask.any() and not narrow.mask[0, :, 0].any() and narrow.mask[0, :, -1].any()
    assert torch.equal(narrow.mask, face >= 0)
    torch.testing.assert_close(narrow.depth.double(), depth, atol=3e-6, rtol=0)


@pytest.mark.parametrize("channels", [1, 7])
def test_any_attribute_that_is_affine_in_space_comes_out_affine(channels):
    vertices, triangles = sphere(0.08, 14, 20)
    generator = torch.Generator().manual_seed(0)
    matrix, offset = (torch.randn(n, channels, generator=generator) for n in (3, 1))
    poses = torch.tensor([[0.5, -0.3]])
    raster = rasterise(vertices[None], triangles, poses, 32, FOV)
    points = camera_rays(poses, 32, FOV).at(raster.depth.view(1, -1, 1)).view(1, 32, 32, 3)
    found = interpolate(raster, (vertices @ matrix + offset)[None])
    assert found.shape == (1, 32, 32, channels)
    expected = torch.where(raster.mask[..., None], points @ matrix + offset, 0.0)
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=0)
