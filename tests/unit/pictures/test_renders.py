"""Heads by their numbers: from the command line and from Python."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

import gof
from gof.config.errors import ConfigError
from gof.experiment.config import Config
from gof.models import pretrained as generators
from gof.models.seeds import seeds_of
from gof.pictures.jobs import RenderJob, SamplesJob, VideoJob
from gof.pictures.renders import path_of, run_render, run_video
from gof.pictures.views import run_samples
from gof.run.files import InputError
from gof.run.target import Target
from gof.shapes.jobs import MeshJob
from gof.shapes.marching import run_meshes
from tests.unit.metrics.small import saved

SIZES = {"samples": {"resolution": 16, "latents": 3, "yaws": [0.0]}, "meshes": {"resolution": 40}}
ENDS = ("", "-depth", "-normal")
VERBS = {
    RenderJob: run_render,
    VideoJob: run_video,
    SamplesJob: run_samples,
    MeshJob: run_meshes,
}
CONFIG = Config.parse(SIZES | {"tracking": {"enabled": False}})


def opened(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


def render(generator, out, **changes) -> None:
    run_render(CONFIG, RenderJob(generator=generator, out=Target(out), **changes))


def test_seeds_are_numbers_and_ranges() -> None:
    assert seeds_of("0-3,7") == [0, 1, 2, 3, 7]
    assert seeds_of(" 5 , 2-2") == [5, 2]
    for wrong in ("", "3-1", "-1", "1,,2", "a", "1.5", "0-1-2", "9999999999"):
        with pytest.raises(InputError, match=r"--seeds: .*like 0-3,7"):
            seeds_of(wrong)
    with pytest.raises(InputError, match="more than 10,000 heads"):
        seeds_of("0-10000")


def test_head_k_is_the_same_everywhere(obedience, tmp_path) -> None:
    """On the sample sheet, among pictures and meshes, and in Python."""
    generator = obedience.generator("gof")
    run_samples(CONFIG, SamplesJob(generator=generator, out=Target(tmp_path / "sheet.png")))
    row = opened(tmp_path / "sheet.png")[:16]
    render(generator, tmp_path / "r", seeds="2,0")
    heads = gof.load(generator, "cpu")
    for seed in (0, 2):
        found = opened(tmp_path / "r" / f"seed{seed:04d}.png")
        np.testing.assert_allclose(found.astype(int), row[:, 16 * seed : 16 * seed + 16], atol=1)
        own = np.asarray(heads(seed, resolution=16).image())
        np.testing.assert_allclose(own.astype(int), found.astype(int), atol=1)
    meshes = CONFIG.model_copy(update={"meshes": CONFIG.meshes.model_copy(update={"count": 3})})
    run_meshes(meshes, MeshJob(generator=generator, out=Target(f"{tmp_path}/m/")))
    shapes = json.loads((tmp_path / "m" / "meshes.json").read_text())["numbers"]["shapes"]
    assert heads.mesh(2, resolution=40).volume == pytest.approx(shapes[2]["volume"], rel=1e-5)


def test_sheets_and_meshes_are_of_the_heads_that_are_named(obedience, tmp_path) -> None:
    generator, sheet = obedience.generator("gof"), tmp_path / "sheet.png"
    told = {"seeds": "5,2", "resolution": 20, "truncation": 1.0}
    run_samples(CONFIG, SamplesJob(generator=generator, out=Target(sheet), **told))
    render(generator, tmp_path / "r", seeds="5", resolution=20, truncation=1.0)
    five = opened(tmp_path / "r" / "seed0005.png").astype(int)
    assert opened(sheet).shape == (4 * 20, 2 * 20, 3)
    np.testing.assert_allclose(opened(sheet)[:20, :20].astype(int), five, atol=1)
    record = json.loads((tmp_path / "sheet.json").read_text())
    assert record["numbers"] == {"seeds": [5, 2], "yaws": [0.0]}
    assert record["settings"]["samples"]["truncation"] == 1.0
    heads = gof.load(generator, "cpu")
    told = {"seeds": "4,2", "resolution": 36, "truncation": 0.5}
    run_meshes(CONFIG, MeshJob(generator=generator, out=Target(f"{tmp_path}/m/"), **told))
    rows = json.loads((tmp_path / "m" / "meshes.json").read_text())["numbers"]["shapes"]
    assert [row["name"] for row in rows] == ["mesh-004", "mesh-002"]
    volume = heads.mesh(4, resolution=36, truncation=0.5).volume
    assert rows[0]["volume"] == pytest.approx(volume, rel=1e-5)
    told = {"seeds": "4", "resolution": 36, "truncation": 0.5}
    run_meshes(CONFIG, MeshJob(generator=generator, out=Target(f"{tmp_path}/one.ply"), **told))
    (row,) = json.loads((tmp_path / "one.json").read_text())["numbers"]["shapes"]
    assert row == {**rows[0], "name": "one"}


def test_a_film_goes_once_around_or_through_expressions(obedience, tmp_path) -> None:
    given = {"generator": obedience.generator("cgof"), "out": tmp_path / "x.gif", "seeds": "4,1"}
    model = generators.load(given["generator"])
    latents, poses = path_of(VideoJob(**given, frames=8, path="orbit"), model)
    assert torch.equal(latents[:, 5], model.heads([4, 1]))
    torch.testing.assert_close(poses[:, 0], torch.arange(8) * torch.pi / 4)
    assert not poses[:, 1].any()
    latents, _ = path_of(VideoJob(**given, frames=8, path="expressions"), model)
    first, second = model.heads([4, 1])
    place = model.layout.place("expression")
    torch.testing.assert_close(latents[0, 0], first)
    torch.testing.assert_close(latents[0, 4, place], second[place])
    held = [k for k in range(model.layout.total) if not place.start <= k < place.stop]
    assert torch.equal(latents[0][:, held], first[held].expand(8, -1))


def test_pictures_hold_what_was_rendered(obedience, tmp_path) -> None:
    generator = obedience.generator("gof")
    out = tmp_path / "r"
    more = {"yaw": (0.3, -0.3), "pitch": 0.1, "alpha": True, "depth": True, "normals": True}
    render(generator, out, seeds="1", truncation=1.0, resolution=24, **more)
    names = [f"seed0001-yaw{yaw}{end}.png" for yaw in ("+0.30", "-0.30") for end in ENDS]
    assert {path.name for path in out.iterdir()} == {".gof", "render.json", *names}
    seen = gof.load(generator, "cpu")(1, 0.3, 0.1, truncation=1.0, resolution=24)
    assert seen.hit.any() and not seen.hit.all()
    colours, depth, normal = (opened(out / f"seed0001-yaw+0.30{end}.png") for end in ENDS)
    np.testing.assert_allclose(colours[..., 3] / 255, seen.alpha, atol=0.003)
    assert depth.dtype == np.uint16 or depth.max() > 255
    assert (depth[~seen.hit] == 0).all()
    far = seen.depth.where(seen.hit, torch.zeros(()))
    np.testing.assert_allclose(depth / 65535 * 2.0, far, atol=2e-5)
    back = torch.from_numpy(normal.copy()).movedim(-1, 0) / 127.5 - 1
    torch.testing.assert_close(back[:, seen.hit], seen.normal[:, seen.hit], atol=0.005, rtol=0)
    assert (normal[~seen.hit] == 255).all()
    assert not np.array_equal(colours, opened(out / "seed0001-yaw-0.30.png"))


def test_a_latent_of_ones_own_is_drawn(obedience) -> None:
    heads = gof.load(obedience.generator("gof"), "cpu")
    one = heads(3, resolution=16).rgb
    assert torch.equal(heads(latent=heads.latent(3), resolution=16).rgb, one)
    assert not torch.equal(heads(latent=-heads.latent(3), resolution=16).rgb, one)
    assert heads(resolution=None).rgb.shape[1:] == (heads.model.resolution,) * 2


def test_a_head_without_surface_is_said(tmp_path) -> None:
    heads = gof.load(saved(tmp_path, radius=0), "cpu")
    with pytest.raises(InputError, match="seed 0: the field has no surface"):
        heads.mesh(resolution=24)


@pytest.mark.parametrize("normals", [False, True])
def test_a_film_has_its_frames_and_heads(obedience, tmp_path, normals) -> None:
    out, generator = tmp_path / "film.gif", obedience.generator("gof")
    given = {"generator": generator, "seeds": "0-2", "frames": 4, "normals": normals, "out": out}
    run_video(CONFIG, VideoJob(**given))
    with Image.open(out) as film:
        assert (film.n_frames, film.size) == (4, (3 * 16, (2 if normals else 1) * 16))


def test_films_end_where_they_began_and_pass_every_head(obedience, tmp_path) -> None:
    generator = obedience.generator("gof")
    model = generators.load(generator)
    given = {"generator": generator, "out": tmp_path / "x.gif", "seeds": "4,1,7", "yaw": 0.5}
    latents, poses = path_of(VideoJob(**given, frames=12, path="seeds"), model)
    assert latents.shape[:2] == (1, 12)
    for number, seed in enumerate((4, 1, 7)):
        torch.testing.assert_close(latents[0, 4 * number], model.heads([seed])[0])
    lengths = latents[0].square().mean(-1).sqrt()
    assert lengths.min() > 0.5 * model.heads([4, 1, 7]).square().mean(-1).sqrt().min()
    steps = torch.cat([poses, poses[:1]]).diff(dim=0).norm(dim=1)
    assert steps.max() < 0.5 and poses[:, 0].abs().max() == pytest.approx(0.5)
    latents, _ = path_of(VideoJob(**given, frames=12), model)
    assert latents.shape[:2] == (3, 12) and torch.equal(latents[:, 0], model.heads([4, 1, 7]))


@pytest.mark.parametrize(
    ("job", "changes", "text"),
    [
        (RenderJob, {"truncation": 1.5}, "--truncation: .*less than or equal to 1, got 1.5"),
        (RenderJob, {"resolution": 0}, "--resolution: .*greater than or equal to 4"),
        (SamplesJob, {"truncation": -0.1}, "--truncation: .*greater than or equal to 0"),
        (SamplesJob, {"seeds": "3-"}, "--seeds: '3-'"),
        (MeshJob, {"resolution": 2000}, "--resolution: .*less than or equal to 1024"),
        (MeshJob, {"seeds": "0,4", "out": "x.glb"}, "x.glb is one mesh: name one head"),
        (VideoJob, {"path": "expressions"}, "gof is no conditional generator"),
        (RenderJob, {"seeds": "x"}, "--seeds: 'x'"),
        (RenderJob, {"yaw": (0.301, 0.302)}, "--yaw: two are so near"),
        (RenderJob, {"pitch": float("nan")}, "--yaw, --pitch: radians"),
        (VideoJob, {"yaw": float("inf")}, "--yaw, --pitch: radians"),
        (VideoJob, {"frames": 1}, "--frames: at least 2"),
        (VideoJob, {"resolution": 33}, "--resolution: even for a video"),
        (VideoJob, {"seeds": "3", "path": "seeds"}, "--path seeds: at least two"),
        (VideoJob, {"out": "x.avi"}, "x.avi: known endings are .gif"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(obedience, tmp_path, job, changes, text) -> None:
    out = tmp_path / changes.get("out", "x.gif")
    given = {"generator": obedience.generator("gof"), **changes}
    named = job is VideoJob or "out" in changes
    given["out"] = out if named else Target(tmp_path / "r")
    with pytest.raises((InputError, ConfigError), match=text):
        VERBS[job](CONFIG, job(**given))
    assert list(tmp_path.iterdir()) == []
