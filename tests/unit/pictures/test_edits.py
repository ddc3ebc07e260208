import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from gof.experiment.config import Config
from gof.models import pretrained as generators
from gof.pictures.edits import Edit, run_edit, swept
from gof.pictures.jobs import EditJob
from gof.run.files import InputError

CONFIG = Config.parse({"samples": {"resolution": 16}, "tracking": {"enabled": False}})
SHAPE = Edit("shape", None, None, 5, seed=3)


@pytest.fixture
def model(obedience):
    return generators.load(obedience.generator("cgof"))


def job(obedience, out, edit=SHAPE, meshes=False, generator="cgof"):
    return EditJob(
        generator=obedience.generator(generator),
        factor=edit.factor,
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
        ({"edit": Edit("expression", "jawOpen", None, 3, 0)}, "needs --head-model"),
        ({"edit": Edit("shape", "0", None, 0, 0)}, "--frames: at least 1, got 0"),
        ({"name": "x.jpg"}, "x.jpg: known endings are .png, .gif, .webp, .webm, .mp4"),
        ({"generator": "gof"}, "gof is no conditional generator"),
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


def test_head_model_and_statistics_go_together(obedience, tmp_path):
    lonely = replace(job(obedience, tmp_path / "x.png"), head_model=obedience.head_model)
    with pytest.raises(InputError, match="both are needed"):
        run_edit(CONFIG, lonely)


@pytest.mark.parametrize(("name", "frames"), [("x.png", 7), ("x.gif", 24 + 22)])
def test_a_sheet_has_seven_frames_and_a_video_twenty_four_there_and_back(
    obedience, tmp_path, name, frames
):
    run_edit(CONFIG, replace(job(obedience, tmp_path / name), frames=None))
    picture = Image.open(tmp_path / name)
    assert getattr(picture, "n_frames", 1) * picture.size[0] == frames * (16 if frames == 7 else 32)
