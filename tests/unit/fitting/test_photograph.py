"""A photograph becomes a mesh, wherever and however turned its face is; what is no portrait is
refused in one line."""

import math

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from gof.experiment.config import Config
from gof.fitting import photograph
from gof.fitting.crop import SIZE, Crop, crop_around
from gof.fitting.fit_record import read_faces
from gof.fitting.jobs import FitJob
from gof.fitting.landmark_set import Landmarks
from gof.fitting.photograph import (
    DetectedFaces,
    finder,
    fit_photograph,
    read,
    run_fit,
    square,
)
from gof.geometry.cameras import project
from gof.geometry.lighting import random_light
from gof.heads.render import HeadBatch, render_heads
from gof.heads.settings import RenderedHeads
from gof.morphable.model import MorphableModel
from gof.readers.interface import Reading
from gof.run.files import InputError, read_json, write_json
from gof.run.rng import streams
from tests.unit.geometry.test_glb import glb_colours

CONFIG = Config.parse(
    {"tracking": {"enabled": False}, "faces": {"fit": {"sigma": 0.005, "contour": 1.0}}}
)
ONE = torch.ones(1, 68)


def draws(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def turned(points, angle):
    cos, sin = math.cos(angle), math.sin(angle)
    return points @ torch.tensor([[cos, sin], [-sin, cos]])


@pytest.fixture
def model(lively):
    return MorphableModel.load(lively)


@pytest.fixture
def head(model):
    """A picture [256, 256] of a head, its landmarks on the image plane, its shape."""
    heads = HeadBatch(
        draws(1, len(model.identity), seed=1).clamp(-1, 1),
        0.2 * draws(1, len(model.expression), seed=2).abs(),
        draws(1, model.palette.size, seed=3),
        random_light(streams(0, "photograph", [0])),
        torch.tensor([[0.2, 0.1]]),
    )
    arrays = render_heads(model, heads, RenderedHeads(resolutions=(256,)))
    shape = model.vertices(heads.identity, heads.expression)
    return Image.fromarray(arrays["image_256"][0]), torch.from_numpy(arrays["landmarks"][0]), shape


def placed(head, angle, folder):
    """The head turned by an angle, off the middle of a larger picture; landmarks on its square."""
    image, points, _ = head
    page = Image.new("RGB", (700, 500), (115, 140, 178))
    page.paste(
        image.rotate(math.degrees(angle), Image.BICUBIC, fillcolor=(115, 140, 178)), (400, 30)
    )
    path = folder / "photograph.png"
    page.save(path)
    points = turned(points, angle)
    column, row = (points[:, 0] + 1) * 128 + 400, (1 - points[:, 1]) * 128 + 30 + 100
    return path, torch.stack([column / 350 - 1, 1 - row / 350], -1)[None]


@pytest.mark.parametrize("angle", [0.0, 0.6])
def test_a_head_is_fitted_wherever_it_is(model, head, angle, tmp_path):
    path, points = placed(head, angle, tmp_path)
    found = fit_photograph(CONFIG, model, path, lambda _: DetectedFaces(points, ONE))
    assert found.crop.angle == pytest.approx(angle, abs=0.1)
    assert found.crop.scale == pytest.approx(256 / 700, rel=0.1)
    torch.testing.assert_close(found.crop.to_picture(found.landmarks), points[0], atol=1e-5, rtol=0)
    assert found.fits.residual[0] < 3
    fits = found.fits.coefficients
    shape = model.vertices(fits.identity, fits.expression)
    seen, goal = (
        project(s[:, model.landmarks], torch.zeros(1, 2), 12.0)[0][0] for s in (shape, head[2])
    )
    crop = crop_around(seen, goal)  # up to the similarity that a photograph leaves open
    mean = project(model.mean[model.landmarks][None], torch.zeros(1, 2), 12.0)[0][0]
    error = (crop.to_crop(seen) - goal).norm(dim=-1).mean()
    of_mean = (crop_around(mean, goal).to_crop(mean) - goal).norm(dim=-1).mean()
    assert error < 0.6 * of_mean


def test_turning_the_picture_changes_nothing_but_the_crop(model, head, tmp_path):
    fits = []
    for angle in (0.0, 0.6):
        path, points = placed(head, angle, tmp_path)
        fits.append(
            fit_photograph(CONFIG, model, path, lambda _, p=points: DetectedFaces(p, ONE)).fits
        )
    straight, turned_ = fits
    torch.testing.assert_close(
        straight.coefficients.identity, turned_.coefficients.identity, atol=1e-2, rtol=0
    )
    torch.testing.assert_close(straight.pose, turned_.pose, atol=1e-3, rtol=0)
    torch.testing.assert_close(
        straight.coefficients.albedo, turned_.coefficients.albedo, atol=0.2, rtol=0
    )


def test_files_of_a_fit(lively, model, head, tmp_path):
    path, points = placed(head, 0.0, tmp_path)
    out = tmp_path / "fit"
    run_fit(CONFIG, FitJob(path, head_model=lively, out=out), lambda _: DetectedFaces(points, ONE))
    numbers = read_json(out / "fit.json")["numbers"]
    assert len(numbers["identity"]) == len(model.identity)
    assert set(numbers["crop"]) == {"scale", "angle_rad", "centre"}
    assert Image.open(out / "overlay.png").size == (4 * SIZE, SIZE)
    shape = model.vertices(
        torch.tensor([numbers["identity"]]), torch.tensor([numbers["expression"]])
    )[0]
    for kind in ("ply", "glb"):
        mesh = trimesh.load(out / f"mesh.{kind}", force="mesh", process=False)
        np.testing.assert_allclose(mesh.vertices, shape, atol=1e-5)
        assert len(mesh.faces) == len(model.triangles)
        path = out / f"mesh.{kind}"
        colours = mesh.visual.vertex_colors if kind == "ply" else glb_colours(path)
        assert colours.std(0)[:3].max() > 0


def test_a_folder_is_fitted_file_by_file_and_its_faces_read_back(lively, head, tmp_path, capsys):
    frames = tmp_path / "frames"
    frames.mkdir()
    for name, angle in (("b", 0.3), ("a", 0.0)):
        path, points = placed(head, angle, tmp_path)
        path.rename(frames / f"{name}{path.suffix}")
    (frames / "c.txt").write_text("no picture")
    job = FitJob(frames, head_model=lively, out=tmp_path / "fits")
    run_fit(CONFIG, job, lambda _: DetectedFaces(points, ONE))
    said = capsys.readouterr().err
    assert "left out" in said and "c.txt" in said and "2 of 3 files fitted" in said
    records = [tmp_path / "fits" / name / "fit.json" for name in "ab"]
    faces, poses = read_faces(records, lively)
    own = read_json(records[1])["numbers"]
    torch.testing.assert_close(faces.expression[1], torch.tensor(own["expression"]))
    torch.testing.assert_close(poses[1], torch.tensor(own["pose_rad"]))
    assert len(faces) == 2
    (frames / "a.png").unlink(missing_ok=True)
    with pytest.raises(InputError, match="none of its 3 files could be fitted"):
        bad = lambda _: DetectedFaces(points[:0], ONE[:0])  # noqa: E731
        (frames / "a.txt").write_text("nor this")
        run_fit(CONFIG, FitJob(frames, head_model=lively, out=tmp_path / "none"), bad)
    with pytest.raises(InputError, match="--out has to be one"):
        run_fit(CONFIG, FitJob(frames, head_model=lively, out=tmp_path / "x.glb"))


def test_fits_of_another_head_model_or_other_records_are_refused(lively, head, tmp_path):
    path, points = placed(head, 0.0, tmp_path)
    find = lambda _: DetectedFaces(points, ONE)  # noqa: E731
    run_fit(CONFIG, FitJob(path, head_model=lively, out=tmp_path / "fit"), find)
    record = tmp_path / "fit" / "fit.json"
    with pytest.raises(InputError, match=r"fit\.json: was fitted with another head model"):
        read_faces([record], path)
    other = tmp_path / "other.json"
    write_json(other, {"kind": "mesh"})
    with pytest.raises(InputError, match=r"other\.json: no record of `gof fit`"):
        read_faces([other], lively)


def test_landmarks_may_be_given_by_hand(lively, head, tmp_path):
    path, points = placed(head, 0.3, tmp_path)
    pixels = torch.stack([(points[0, :, 0] + 1) * 350, (1 - points[0, :, 1]) * 350 - 100], -1) - 0.5
    marks = tmp_path / "marks.txt"
    np.savetxt(marks, pixels.numpy(), fmt="%.4f")
    job = FitJob(path, head_model=lively, landmarks=marks, out=tmp_path / "fit")
    run_fit(CONFIG, job)
    run_fit(
        CONFIG,
        FitJob(path, head_model=lively, out=tmp_path / "found"),
        lambda _: DetectedFaces(points, ONE),
    )
    own, same = (read_json(tmp_path / name / "fit.json") for name in ("fit", "found"))
    assert own["numbers"]["identity"] == pytest.approx(same["numbers"]["identity"], abs=1e-3)
    assert "landmarks" in own["inputs"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1 2\n3 4\n", "not 68 lines of two numbers"),
        ("x y\n" * 68, "not 68 lines"),
        ("nan 1\n" * 68, "not 68 lines"),
        ("5000 1\n" * 68, "points outside of"),
    ],
)
def test_what_are_no_landmarks_is_one_line(lively, head, tmp_path, text, reason):
    path, _ = placed(head, 0.0, tmp_path)
    marks = tmp_path / "marks.txt"
    marks.write_text(text)
    with pytest.raises(InputError, match=reason):
        run_fit(CONFIG, FitJob(path, head_model=lively, landmarks=marks, out=tmp_path / "fit"))


@pytest.mark.parametrize("name", ["me.glb", "me.png"])
def test_the_name_of_a_mesh_or_picture_gets_that_alone(lively, head, tmp_path, name):
    path, points = placed(head, 0.0, tmp_path)
    find = lambda _: DetectedFaces(points, ONE)  # noqa: E731
    run_fit(CONFIG, FitJob(path, head_model=lively, out=tmp_path / "fit"), find)
    run_fit(CONFIG, FitJob(path, head_model=lively, out=tmp_path / "one" / name), find)
    assert {p.name for p in (tmp_path / "one").iterdir()} == {".gof", name, "me.json"}
    usual = {"me.glb": "mesh.glb", "me.png": "overlay.png"}[name]
    assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "fit" / usual).read_bytes()


def test_the_fit_drawn_over_the_crop_looks_like_the_crop(model, head, tmp_path):
    from gof.fitting.photograph import overlay

    path, points = placed(head, 0.3, tmp_path)
    found = fit_photograph(CONFIG, model, path, lambda _: DetectedFaces(points, ONE))
    page = overlay(model, found, CONFIG.camera.fov_deg).astype(float)
    crop, over = page[:, :SIZE], page[:, 2 * SIZE : 3 * SIZE]
    alone = page[:, 3 * SIZE :]
    inside = (alone < 254).any(-1)
    assert 0.1 < inside.mean() < 0.9
    assert abs(over - crop)[inside].mean() < 12
    np.testing.assert_array_equal(over[~inside], crop[~inside])


@pytest.mark.parametrize("seed", range(5))
def test_crop_around_finds_any_similarity(seed):
    goal = draws(68, 2, seed=seed) * 0.3
    scale, angle = math.exp(0.5 * float(draws(1, seed=seed + 9))), 0.7 * seed - 1.4
    points = turned(goal, angle) * scale + torch.tensor([0.1, -0.2])
    crop = crop_around(points, goal)
    assert crop.scale == pytest.approx(scale, rel=1e-5)
    assert crop.angle == pytest.approx(angle, abs=1e-5)
    torch.testing.assert_close(crop.to_picture(goal), points, atol=1e-5, rtol=0)
    torch.testing.assert_close(crop.to_crop(points), goal, atol=1e-5, rtol=0)


def test_cut_shows_the_picture_at_the_crops_place():
    x = np.linspace(0, 255, 512).astype(np.uint8)
    pixels = np.stack(np.broadcast_arrays(x[None], x[::-1, None], 100), -1).astype(np.uint8)
    crop = Crop(0.4, 0.5, (0.1, -0.2))
    cut = crop.cut(Image.fromarray(pixels))
    plane = torch.tensor([[(200 + 0.5) / SIZE * 2 - 1, 1 - (60 + 0.5) / SIZE * 2]])
    at = crop.to_picture(plane)[0]
    expected = [(at[0] + 1) / 2 * 255, (at[1] + 1) / 2 * 255, 100]
    np.testing.assert_allclose(cut[60, 200], np.array(expected, dtype=float), atol=2)


def test_square_keeps_the_picture_in_the_middle():
    page = square(Image.new("RGB", (300, 100), (9, 9, 9)))
    assert page.size == (300, 300)
    pixels = np.asarray(page)
    assert (pixels[100:200] == 9).all() and not pixels[:100].any() and not pixels[200:].any()


def refused(model, path, faces):
    with pytest.raises(InputError) as caught:
        fit_photograph(CONFIG, model, path, lambda _: faces)
    text = str(caught.value)
    assert "\n" not in text and path.name in text
    return text


def test_what_cannot_be_fitted_is_said_in_one_line(model, head, tmp_path):
    path, points = placed(head, 0.0, tmp_path)
    none = DetectedFaces(points[:0], ONE[:0])
    several = DetectedFaces(points.expand(3, -1, -1), ONE.expand(3, -1))
    assert "no face found" in refused(model, path, none)
    assert "3 faces found" in refused(model, path, several)
    assert "all lie in one place" in refused(model, path, DetectedFaces(points * 0, ONE))
    shuffled = points[:, torch.randperm(68, generator=torch.Generator().manual_seed(0))]
    assert "landmarks far off" in refused(model, path, DetectedFaces(shuffled, ONE))


def test_not_an_image_and_too_small_are_said_in_one_line(tmp_path):
    text = tmp_path / "letter.txt"
    text.write_text("dear all")
    with pytest.raises(InputError, match=r"letter\.txt: not an image: give a photograph"):
        read(text)
    Image.new("RGB", (40, 300)).save(tmp_path / "thin.png")
    with pytest.raises(InputError, match=r"thin\.png: 40 x 300 pixels: give at least 64"):
        read(tmp_path / "thin.png")
    with pytest.raises(InputError, match=r"none\.png: "):
        read(tmp_path / "none.png")


def test_a_regressor_reads_landmarks_off_the_whole_picture(monkeypatch, tmp_path):
    seen = []

    def network(images):
        seen.append(images)
        return Reading(torch.zeros(1, 4), torch.zeros(1, 2), draws(1, 68, 2))

    monkeypatch.setattr(photograph, "load_regressor", lambda _: network)
    faces = finder(tmp_path / "regressor.yaml")(torch.full((3, 300, 300), 255, dtype=torch.uint8))
    torch.testing.assert_close(faces.points, draws(1, 68, 2))
    torch.testing.assert_close(faces.confidence, ONE)
    torch.testing.assert_close(seen[0], torch.ones(1, 3, 64, 64))


def test_a_missing_regressor_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.yaml: no such regressor"):
        finder(tmp_path / "none.yaml")


@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_detector_says_how_many_faces_there_are(count, monkeypatch):
    shown = []

    def detect(images):
        shown.append(images)
        faces = torch.tensor([count])
        return Landmarks(draws(1, 68, 2), ONE / 2, faces == 1, faces)

    monkeypatch.setattr(photograph, "detect", detect)
    picture = torch.zeros(3, 90, 90, dtype=torch.uint8)
    faces = finder(None)(picture)
    assert shown[0].shape == (1, 3, 90, 90)
    assert faces.points.shape == (count, 68, 2) and faces.confidence.shape == (count, 68)
    if count == 1:
        torch.testing.assert_close(faces.points, draws(1, 68, 2))
        torch.testing.assert_close(faces.confidence, ONE / 2)
