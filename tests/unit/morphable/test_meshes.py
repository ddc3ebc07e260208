import pytest
import torch

from gof.geometry.cameras import project
from gof.geometry.settings import Camera
from gof.morphable.coefficients import Layout
from gof.morphable.meshes import Meshes
from gof.run.files import InputError

POSES = torch.tensor([[0.0, 0.0], [0.4, -0.2]])


@pytest.fixture
def meshes(obedience):
    return obedience.meshes()


def latents(meshes, count=2, seed=0):
    own = torch.Generator().manual_seed(seed)
    return torch.randn(count, meshes.layout.total, generator=own)


def test_free_entries_move_nothing_and_coefficients_do(meshes):
    z = latents(meshes)
    vertices = meshes.vertices(z)
    for name, size in meshes.layout.sizes.items():
        other = z.clone()
        other[:, meshes.layout.place(name)] += torch.ones(size)
        moved = float((meshes.vertices(other) - vertices).abs().max())
        assert (moved > 1e-3) == (name in ("identity", "expression"))
        same = torch.equal(meshes.pictures(other, POSES, 16), meshes.pictures(z, POSES, 16))
        assert same == name.startswith("free")


def test_landmarks_are_vertices_and_where_the_camera_sees_them(meshes):
    z = latents(meshes)
    plane, world = meshes.landmarks(z, POSES)
    torch.testing.assert_close(world, meshes.vertices(z)[:, meshes.head.landmarks])
    torch.testing.assert_close(plane, project(world, POSES, meshes.camera.fov_deg)[0])


def test_the_face_is_where_all_corners_are(meshes):
    seen = meshes.raster(latents(meshes), POSES, 32)
    face = meshes.face(seen)
    assert 0.1 < float(face.float().mean()) < float(seen.mask.float().mean())
    for image, row, column in face.nonzero()[::37].tolist():
        corners = meshes.head.triangles[seen.triangle_id[image, row, column]]
        assert meshes.head.face[corners].all()
    left = seen.mask & ~face
    assert left.any()
    image, row, column = left.nonzero()[0].tolist()
    corners = meshes.head.triangles[seen.triangle_id[image, row, column]]
    assert not meshes.head.face[corners].all()


def test_pictures_show_the_background_beside_the_head(meshes):
    images = meshes.pictures(latents(meshes), POSES, 32)
    assert images.shape == (2, 3, 32, 32) and images.abs().max() <= 1
    wanted = torch.tensor(meshes.background) * 2 - 1
    torch.testing.assert_close(images[:, :, 0, 0], wanted.expand(2, 3), atol=0.01, rtol=0)


def test_statistics_of_other_sizes_are_refused(obedience):
    pair = (obedience.head_model, obedience.statistics)
    assert Meshes.read(pair, None, Camera(), (1.0, 1.0, 1.0)).layout.free == 0
    odd = Layout({**obedience.layout.sizes, "expression": 3})
    with pytest.raises(InputError, match="2 coefficients of expression, the generator has 3"):
        Meshes.read(pair, odd, Camera(), (1.0, 1.0, 1.0))
