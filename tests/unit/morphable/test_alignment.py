"""Faces are cut so that they lie where they should, whatever the picture."""

import math

import numpy as np
import pytest
import skimage.data
from PIL import Image

from gof.data.collection import Other
from gof.data.manifest import ESTIMATED, load_manifest
from gof.data.reader import load_images
from gof.experiment.config import Config
from gof.geometry.settings import Camera
from gof.morphable import face_mesh
from gof.morphable.alignment import PLACES, aligned, five_points, placed
from gof.morphable.detector import find_weights
from gof.run.files import InputError, read_json, sha256
from gof.sources.jobs import PrepareJob
from gof.sources.make import run_prepare

SIZES = (16, 64)


def landmarks_at(scale, angle, centre):
    """68 landmarks whose five points are PLACES under a similarity, in pixels."""
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    five = scale * (PLACES * (1, -1)) @ turn.T + centre
    points = np.zeros((68, 2))
    points[36:42], points[42:48] = five[0], five[1]
    points[30], points[48], points[54] = five[2:]
    return points


def a_picture(points, side=400):
    """White squares where the five points are, on grey."""
    pixels = np.full((side, side + 80, 3), 90, np.uint8)
    for x, y in five_points(points):
        pixels[int(y) - 4 : int(y) + 5, int(x) - 4 : int(x) + 5] = 255
    return Image.fromarray(pixels)


def finder(*faces):
    return lambda: lambda _: [(points - 0.5, np.ones(68)) for points in faces]


@pytest.mark.parametrize(("scale", "angle"), [(100, 0.0), (150, 0.4), (90, -1.2)])
def test_a_turned_face_comes_to_lie_where_rendered_ones_do(scale, angle):
    points = landmarks_at(scale, angle, (230, 190))
    found = aligned(finder(points), 12.0)(a_picture(points), SIZES)
    image = found["image_64"][..., 0].astype(float) - 90
    for x, y in PLACES:
        column, row = (x + 1) * 32, (1 - y) * 32
        spot = image[int(row) - 3 : int(row) + 4, int(column) - 3 : int(column) + 4]
        rows, columns = np.indices(spot.shape)
        middle = [(own * spot).sum() / spot.sum() for own in (rows, columns)]
        assert int(row) - 3 + middle[0] + 0.5 == pytest.approx(row, abs=0.7)
        assert int(column) - 3 + middle[1] + 0.5 == pytest.approx(column, abs=0.7)
    assert found["image_16"].shape == (16, 16, 3)


def test_the_similarity_is_exact_for_five_exact_points():
    matrix = placed(five_points(landmarks_at(70, 0.3, (50, 60))))
    turn = 70 * np.array([[math.cos(0.3), -math.sin(0.3)], [math.sin(0.3), math.cos(0.3)]])
    np.testing.assert_allclose(matrix, np.column_stack([turn, (50, 60)]), atol=1e-9)


@pytest.mark.parametrize(
    ("faces", "reason"),
    [
        ((), "no face found"),
        ((landmarks_at(50, 0, (100, 200)), landmarks_at(50, 0, (300, 200))), "2 faces found"),
        ((landmarks_at(20, 0, (200, 200)),), "fills 40 pixels, fewer than 64"),
        ((landmarks_at(100, 0, (20, 200)),), "at the edge"),
    ],
)
def test_a_picture_without_one_whole_face_is_no_fault_but_left_out(faces, reason):
    with pytest.raises(Other, match=reason):
        aligned(finder(*faces), 12.0)(a_picture(landmarks_at(100, 0, (200, 200))), SIZES)


@pytest.mark.skipif(not face_mesh.at_hand(), reason="needs pip install gof[faces]")
def test_a_folder_of_people_and_cats_becomes_a_set_of_faces(tmp_path):
    folder, out = tmp_path / "mixed", tmp_path / "set" / "manifest.json"
    folder.mkdir()
    astronaut = Image.fromarray(skimage.data.astronaut())
    for k in range(6):
        astronaut.rotate(8 * (k - 3), Image.Resampling.BICUBIC).save(folder / f"a{k}.jpg")
    Image.fromarray(skimage.data.chelsea()).save(folder / "cat.png")
    (folder / "notes.txt").write_text("no photograph")
    config = Config.parse({"tracking": {"enabled": False}})
    run_prepare(config, PrepareJob(images=folder, align="faces", out=out))
    manifest = load_manifest(out)
    images = load_images(manifest, "train", 64).float()
    assert manifest.provenance["images"] == 6
    assert manifest.provenance[ESTIMATED]
    camera = manifest.camera
    assert abs(camera.yaw_mean) < 0.35 and camera.yaw < 0.1, "one man, from one side"
    assert (camera.yaw, camera.pitch) != (Camera().yaw, Camera().pitch)
    assert float((images - images.mean(0)).abs().mean()) < 12, "all lie alike"
    report = (out.parent / "left_out.csv").read_text()
    assert "cat.png,no face found" in report and "notes.txt,by its name no image" in report
    found_by = read_json(out.with_name("data.json"))["inputs"]
    assert found_by == {name: sha256(path) for name, path in find_weights().items()}
    for path in folder.glob("a*.jpg"):
        path.unlink()
    with pytest.raises(InputError, match=r"cat\.png: no face found; and so all others"):
        run_prepare(config, PrepareJob(images=folder, align="faces", out=out))
    assert load_manifest(out).provenance["images"] == 6, "what was there stays"
