import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from gof.config.errors import ConfigError
from gof.experiment.config import Config
from gof.fitting.fit_record import read_faces
from gof.models import packaged
from gof.models import pretrained as generators
from gof.morphable.coefficients import BLOCKS
from gof.morphable.meshes import load_pair
from gof.pictures.edits import Edit, driven, meshes_of, run_edit, swept
from gof.pictures.jobs import EditJob
from gof.run.files import InputError, sha256, write_json

CONFIG = Config.parse({"samples": {"resolution": 16}, "tracking": {"enabled": False}})
SHAPE = Edit("shape", None, None, 5, seed=3)


@pytest.fixture
def model(obedience):
    return generators.load(obedience.generator("cgof"))


def job(obedience, out, edit=SHAPE, meshes=False, generator="cgof"):
    return EditJob(
        generator=obedience.generator(generator),
        factor=(edit.factor,),
        component=edit.component,
        range=edit.ends,
        frames=edit.frames,
        seed=edit.seed,
        head_model=obedience.head_model if meshes else None,
        statistics=obedience.statistics if meshes else None,
        out=out,
    )


@pytest.mark.parametrize("factor", ["shape", "expression", "albedo", "light", "free_geometry"])
def test_a_sweep_moves_its_factor_and_holds_the_others(model, factor):
    edit = Edit(factor, "1", (-1.0, 3.0), 5, seed=3)
    latents, poses = swept(model, edit, None)
    layout = model.layout
    place = layout.place({"shape": "identity"}.get(factor, factor))
    entry = place.start + 1
    torch.testing.assert_close(latents[:, entry], torch.linspace(-1, 3, 5))
    held = [k for k in range(layout.total) if k != entry]
    assert torch.equal(latents[:, held], model.heads([3])[:, held].expand(5, -1))
    assert not poses.any()


def test_a_pose_is_swept_in_radians_and_leaves_the_head_alone(model):
    latents, poses = swept(model, Edit("pose", None, None, 5, 3), None)
    assert torch.equal(latents, model.heads([3]).expand(5, -1))
    torch.testing.assert_close(poses[:, 0], torch.linspace(-0.5, 0.5, 5))
    _, poses = swept(model, Edit("pose", "pitch", (0.0, 0.2), 3, 3), None)
    torch.testing.assert_close(poses, torch.tensor([[0.0, 0.0], [0.0, 0.1], [0.0, 0.2]]))


def test_a_sheet_has_a_row_of_meshes_where_there_are_files_for_it(obedience, tmp_path):
    run_edit(CONFIG, job(obedience, tmp_path / "a.png"))
    run_edit(CONFIG, job(obedience, tmp_path / "b.png", meshes=True))
    assert Image.open(tmp_path / "a.png").size == (5 * 16, 2 * 16)
    assert Image.open(tmp_path / "b.png").size == (5 * 16, 3 * 16)
    record = json.loads((tmp_path / "b.json").read_text())
    assert record["kind"] == "edit" and record["numbers"]["frames"] == 5
    assert set(record["inputs"]) == {"generator", "head_model", "statistics"}


def test_the_mesh_of_a_swept_name_moves_where_it_should(obedience, tmp_path):
    edit = Edit("expression", "jawOpen", (-3.0, 3.0), 2, seed=1)
    run_edit(CONFIG, job(obedience, tmp_path / "jaw.png", edit, meshes=True))
    row = np.asarray(Image.open(tmp_path / "jaw.png"))[:16].astype(int)
    apart = abs(row[:, :16] - row[:, 16:]).sum(-1)
    assert apart[9:].sum() > 20 * max(apart[:5].sum(), 1)  # only what lies below the middle


@pytest.mark.parametrize("suffix", [".gif", ".mp4"])
def test_a_video_goes_there_and_back(obedience, tmp_path, suffix):
    out = tmp_path / f"turn{suffix}"
    run_edit(CONFIG, job(obedience, out, Edit("pose", "yaw", (-0.6, 0.6), 4, seed=0)))
    if suffix == ".gif":
        picture = Image.open(out)
        assert (picture.n_frames, picture.size) == (6, (32, 16))
        return
    video = cv2.VideoCapture(str(out))
    frames = []
    while (found := video.read())[0]:
        frames.append(found[1].astype(int))
    assert len(frames) == 6 and frames[0].shape == (16, 32, 3)
    assert abs(frames[1] - frames[5]).mean() < abs(frames[0] - frames[3]).mean() / 2


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"edit": Edit("nose", None, None, 3, 0)}, "--factor: 'nose' is none: pose, shape"),
        ({"edit": Edit("pose", "roll", None, 3, 0)}, "a pose has yaw and pitch, no 'roll'"),
        ({"edit": Edit("shape", "99", None, 3, 0)}, "99 is beyond the 3"),
        ({"edit": Edit("expression", "jawOpen", None, 3, 0)}, "a name needs --statistics"),
        ({"edit": Edit("shape", "0", None, 0, 0)}, "--frames: at least 1, got 0"),
        ({"name": "x.jpg"}, "x.jpg: known endings are .png, .gif, .webp, .webm, .mp4"),
        ({"generator": "gof"}, "shape of a generator that no coefficients condition"),
        ({"generator": "none"}, "no such file"),
    ],
)
def test_what_cannot_be_edited_is_one_line(obedience, tmp_path, change, text):
    out = tmp_path / change.get("name", "x.png")
    given = job(
        obedience, out, change.get("edit", SHAPE), generator=change.get("generator", "cgof")
    )
    with pytest.raises(InputError, match=text) as error:
        run_edit(CONFIG, given)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def face_file(path, model, seed, yaw):
    """The record of a fit whose face is what the latent of a seed asks for."""
    _, statistics = load_pair(model.head_model, model.statistics)
    z = torch.randn(1, sum(statistics.sizes.values()), generator=torch.manual_seed(seed))
    found = statistics.unwhiten(z)
    numbers = {name: getattr(found, name)[0].tolist() for name in BLOCKS}
    values = {"kind": "fit", "inputs": {"head_model": sha256(model.head_model)}}
    write_json(path, values | {"numbers": numbers | {"pose_rad": [yaw, 0.1]}})
    return path, statistics.split(z)


def test_a_head_takes_what_it_is_told_of_photographs_and_keeps_the_rest(obedience, model, tmp_path):
    made = [face_file(tmp_path / f"{k}.json", obedience, k, 0.2 * k) for k in range(3)]
    faces = read_faces([path for path, _ in made], obedience.head_model)
    layout = model.layout
    meshes = meshes_of(model, layout, (obedience.head_model, obedience.statistics))
    latents, poses = driven(model, 5, ("expression", "pose"), faces, meshes)
    own, place = model.heads([5]), layout.place("expression")
    theirs = torch.cat([blocks["expression"] for _, blocks in made])
    torch.testing.assert_close(latents[:, place], theirs, atol=1e-4, rtol=0)
    held = [k for k in range(layout.total) if not place.start <= k < place.stop]
    assert torch.equal(latents[:, held], own[:, held].expand(3, -1))
    torch.testing.assert_close(poses, torch.tensor([[0.0, 0.1], [0.2, 0.1], [0.4, 0.1]]))
    _, poses = driven(model, 5, ("shape",), faces, meshes)
    assert not poses.any()


@pytest.mark.parametrize(("name", "frames"), [("x.png", 1), ("x.gif", 3)])
def test_photographs_drive_a_head_frame_by_frame(obedience, tmp_path, name, frames):
    like = tuple(face_file(tmp_path / f"{k}.json", obedience, k, 0.2 * k)[0] for k in range(3))
    out = tmp_path / "out" / name
    given = replace(job(obedience, out, meshes=True), factor=("expression", "pose"), like=like)
    given = replace(given, frames=None, component=None, range=None)
    run_edit(CONFIG, given)
    with Image.open(out) as picture:
        assert getattr(picture, "n_frames", 1) == frames
        assert picture.size == (16 * 3, 16 * (3 if frames == 1 else 1))
    record = json.loads(out.with_suffix(".json").read_text())
    assert {"like_0", "like_1", "like_2"} <= set(record["inputs"])
    assert record["numbers"]["frames"] == 3


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"factor": ("shape", "pose"), "like": ()}, "several need --like"),
        ({"head_model": None, "statistics": None}, "--like: needs the --head-model"),
        ({"factor": ("free_texture",)}, "a photograph tells no free_texture"),
        ({"frames": 5}, "belong to a sweep"),
        ({"out": Path("x.gif")}, "one face makes no video"),
    ],
)
def test_a_likeness_that_contradicts_itself_is_one_line(obedience, tmp_path, change, text):
    like = (face_file(tmp_path / "0.json", obedience, 0, 0.0)[0],)
    given = replace(job(obedience, tmp_path / "x.png", meshes=True), like=like, frames=None)
    with pytest.raises(InputError, match=text):
        run_edit(CONFIG, replace(given, **change))


def test_any_head_can_be_turned(obedience, tmp_path):
    turn = Edit("pose", "yaw", (-0.6, 0.6), 4, seed=0)
    run_edit(CONFIG, job(obedience, tmp_path / "x.png", turn, generator="gof"))
    assert Image.open(tmp_path / "x.png").size == (4 * 16, 2 * 16)


def test_options_of_the_call_win_over_the_section(obedience, tmp_path):
    run_edit(CONFIG, replace(job(obedience, tmp_path / "x.png"), resolution=24))
    assert Image.open(tmp_path / "x.png").size == (5 * 24, 2 * 24)
    with pytest.raises(ConfigError, match=r"--resolution: .*greater than or equal to 4"):
        run_edit(CONFIG, replace(job(obedience, tmp_path / "y.png"), resolution=2))


def test_a_head_model_needs_statistics_which_serve_alone_too(obedience, tmp_path):
    lonely = replace(job(obedience, tmp_path / "x.png"), head_model=obedience.head_model)
    with pytest.raises(InputError, match="--head-model: needs the --statistics"):
        run_edit(CONFIG, lonely)
    meshes = obedience.meshes()
    meshes.statistics.save(tmp_path / "statistics.npz")
    edit = Edit("expression", "jawOpen", None, 3, 0)
    given = replace(
        job(obedience, tmp_path / "x.png", edit), statistics=tmp_path / "statistics.npz"
    )
    run_edit(CONFIG, given)
    run_edit(CONFIG, job(obedience, tmp_path / "y.png", edit, meshes=True))
    alone, both = (np.asarray(Image.open(tmp_path / f"{name}.png")) for name in "xy")
    assert np.array_equal(alone, both[16:])


def test_what_comes_with_a_packaged_generator_gives_names(tmp_path):
    given = {"generator": packaged.located(Path("heads-cgof")), "factor": ("expression",)}
    told = {"component": "jawOpen", "frames": 2, "resolution": 24, "truncation": 0.7}
    run_edit(CONFIG, EditJob(**given, **told, out=tmp_path / "x.png"))
    row = np.asarray(Image.open(tmp_path / "x.png"))[:24].astype(int)
    assert abs(row[:, :24] - row[:, 24:]).max() > 20


@pytest.mark.parametrize(("name", "frames"), [("x.png", 7), ("x.gif", 24 + 22)])
def test_a_sheet_has_seven_frames_and_a_video_twenty_four_there_and_back(
    obedience, tmp_path, name, frames
):
    run_edit(CONFIG, replace(job(obedience, tmp_path / name), frames=None))
    picture = Image.open(tmp_path / name)
    assert getattr(picture, "n_frames", 1) * picture.size[0] == frames * (16 if frames == 7 else 32)
