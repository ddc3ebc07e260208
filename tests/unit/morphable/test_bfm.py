"""The user's Basel Face Model, on small files of its format."""

import numpy as np
import pytest
import torch
from scipy.io import savemat

from gof.experiment.config import Config
from gof.morphable import bfm
from gof.morphable.bfm import read_bfm, run_bfm
from gof.morphable.jobs import BfmJob
from gof.morphable.model import LinearAlbedo, MorphableModel
from gof.morphable.similarity import constant_crop
from gof.run.files import InputError, read_json

ROWS, COLUMNS = 9, 10  # a bulging grid: 90 vertices, all but 2 of the 92 with expressions
FULL = ROWS * COLUMNS + 2 + 4


def grid():
    """Points [90, 3] in decimetres, triangles [144, 3] counterclockwise seen from +z."""
    y, x = np.meshgrid(np.linspace(1, -1, ROWS), np.linspace(-0.8, 0.8, COLUMNS), indexing="ij")
    points = np.stack([x, y, 0.5 - 0.4 * x**2 - 0.2 * y**2], -1).reshape(-1, 3)
    corner = np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS)
    a, b, c, d = corner[:-1, :-1], corner[1:, :-1], corner[:-1, 1:], corner[1:, 1:]
    faces = [np.stack([a, b, c], -1), np.stack([c, b, d], -1)]
    return points, np.concatenate([one.reshape(-1, 3) for one in faces])


@pytest.fixture
def basel():
    """What 01_MorphableModel.mat and its companions hold."""
    rng = np.random.default_rng(0)
    points, triangles = grid()
    n = len(points)
    known = rng.permutation(FULL)[: n + 2]  # vertices with expressions
    own = rng.permutation(n + 2)[:n]  # of these, the front face
    mean = rng.normal(size=(FULL, 3))
    mean[known[own]] = points * 1e5
    return {
        "basel": {
            "shapeMU": mean.reshape(-1, 1),
            "shapePC": rng.normal(size=(3 * FULL, 199)).astype(np.float32),
            "shapeEV": rng.uniform(1e3, 1e4, (199, 1)),
            "texMU": rng.uniform(50, 200, (3 * FULL, 1)),
            "texPC": rng.normal(size=(3 * FULL, 199)).astype(np.float32),
            "texEV": rng.uniform(1, 5, (199, 1)),
        },
        "known": known,
        "own": own,
        "expressions": rng.normal(size=(79, 3 * (n + 2))).astype("<f4"),
        "spread": rng.uniform(1e3, 1e4, 79),
        "info": {"tri": triangles + 1, "keypoints": np.arange(1, 69)[None]},
    }


def write_basel(folder, given):
    savemat(folder / "01_MorphableModel.mat", given["basel"])
    savemat(folder / "BFM_exp_idx.mat", {"trimIndex": given["known"][:, None] + 1})
    savemat(folder / "BFM_front_idx.mat", {"idx": given["own"][:, None] + 1})
    savemat(folder / "facemodel_info.mat", given["info"])
    count, size = given["expressions"].shape
    content = np.int32(count).tobytes() + np.zeros(size, "<f4").tobytes()
    (folder / "Exp_Pca.bin").write_bytes(content + given["expressions"].tobytes())
    np.savetxt(folder / "std_exp.txt", given["spread"])
    return folder / "01_MorphableModel.mat"


def front_of(given):
    """BFM_model_front.mat of the same model, vertex by vertex."""
    basel, known, own = given["basel"], given["known"], given["own"]
    n = len(own)
    front = {
        "meanshape": np.empty((1, 3 * n)),
        "meantex": np.empty((1, 3 * n)),
        "idBase": np.empty((3 * n, 80)),
        "exBase": np.empty((3 * n, 64)),
        "texBase": np.empty((3 * n, 80)),
        **given["info"],
    }
    for k in range(n):
        for axis in range(3):
            row, full = 3 * k + axis, 3 * known[own[k]] + axis
            front["meanshape"][0, row] = basel["shapeMU"][full, 0] / 1e5
            front["meantex"][0, row] = basel["texMU"][full, 0]
            front["idBase"][row] = (basel["shapePC"][full] * basel["shapeEV"][:, 0] / 1e5)[:80]
            front["texBase"][row] = (basel["texPC"][full] * basel["texEV"][:, 0])[:80]
            moved = given["expressions"][:, 3 * own[k] + axis]
            front["exBase"][row] = (moved * given["spread"] / 1e5)[:64]
    return front


@pytest.fixture
def front(basel, tmp_path):
    path = tmp_path / "BFM_model_front.mat"
    savemat(path, front_of(basel))
    return path


def test_both_files_give_the_same_model(basel, front, tmp_path):
    one, two = read_bfm(front, 12.0), read_bfm(write_basel(tmp_path, basel), 12.0)
    assert set(one) == set(two)
    for name, array in one.items():
        if array.dtype.kind == "f":
            np.testing.assert_allclose(array, two[name], rtol=2e-5, atol=1e-7)
        else:
            np.testing.assert_array_equal(array, two[name])


def test_a_head_is_mean_and_components_in_the_world(basel, front, tmp_path):
    out = tmp_path / "bfm.npz"
    run_bfm(Config(), BfmJob(mat=front, out=out))
    model, given = MorphableModel.load(out), front_of(basel)
    draws = torch.Generator().manual_seed(0)
    a, e, t = (torch.randn(2, n, generator=draws) for n in (80, 64, 80))
    mean = given["meanshape"].reshape(-1, 3)
    mean = mean - mean.mean(0)
    moved = given["idBase"] @ a[1].numpy() + given["exBase"] @ e[1].numpy()
    expected = constant_crop(12.0).apply(torch.from_numpy(mean + moved.reshape(-1, 3)))
    torch.testing.assert_close(model.vertices(a, e)[1].double(), expected, atol=1e-5, rtol=0)
    code = (given["meantex"][0] + given["texBase"] @ t[1].numpy()).reshape(-1, 3) / 255
    code = code.clip(0, 1)
    linear = np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)
    np.testing.assert_allclose(model.colours(t)[1], linear, atol=1e-5)
    assert isinstance(model.palette, LinearAlbedo) and model.palette.size == 80
    assert model.face.all() and len(model.face) == 90
    assert torch.equal(model.landmarks, torch.arange(68))
    part = model.palette.at(torch.tensor([3, 5]))
    torch.testing.assert_close(part.colours(t), model.colours(t)[:, [3, 5]])
    record = read_json(tmp_path / "bfm.json")
    assert record["numbers"]["vertices"] == 90 and len(record["inputs"]["mat"]) == 64
    assert (tmp_path / "bfm.png").stat().st_size > 1000


@pytest.mark.parametrize("inside_out", [False, True])
def test_triangles_look_outward_whatever_their_order_in_the_file(basel, tmp_path, inside_out):
    if inside_out:
        basel["info"]["tri"] = basel["info"]["tri"][:, ::-1]
    savemat(tmp_path / "m.mat", front_of(basel))
    arrays = read_bfm(tmp_path / "m.mat", 12.0)
    a, b, c = (arrays["mean"][arrays["triangles"][:, k]] for k in range(3))
    assert (np.cross(b - a, c - a)[:, 2] > 0).all()


def fails(path, *words):
    with pytest.raises(InputError) as caught:
        read_bfm(path, 12.0)
    text = str(caught.value)
    assert "\n" not in text and path.parent.name in text
    for word in words:
        assert word in text, text


@pytest.mark.parametrize("name", [n for n in bfm.FRONT if n != "meanshape"])
def test_missing_key_is_named(basel, tmp_path, name):
    given = front_of(basel)
    del given[name]
    savemat(tmp_path / "m.mat", given)
    fails(tmp_path / "m.mat", "m.mat", f"{name} is missing")


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("idBase", lambda a: a[:, :79], "idBase has shape (270, 79), expected (270, 80 or more)"),
        ("exBase", lambda a: a[:-3], "exBase has shape (267, 64)"),
        ("meantex", lambda a: a[:, :-3], "meantex has shape"),
        ("keypoints", lambda a: a[:, :51], "keypoints has 51 entries"),
        ("keypoints", lambda a: a + 60, "keypoints names vertices that are not among 90"),
        ("tri", lambda a: a - 1, "tri names vertices"),
        ("tri", lambda a: a[:, :2], "tri shape (144, 2)"),
        ("texBase", lambda a: a * np.nan, "texBase holds what is no number"),
    ],
)
def test_wrong_shape_or_value_is_named(basel, tmp_path, name, change, words):
    given = front_of(basel)
    given[name] = change(given[name])
    savemat(tmp_path / "m.mat", given)
    fails(tmp_path / "m.mat", "m.mat", words)


def test_other_files_are_refused_by_what_they_are(tmp_path):
    fails(tmp_path / "absent.mat", "no such file")
    (tmp_path / "model2017-1_bfm_nomouth.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(600))
    fails(tmp_path / "model2017-1_bfm_nomouth.h5", "not a MATLAB file", ".h5 files of 2017")
    header = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + bytes(600)
    (tmp_path / "new.mat").write_bytes(header)
    fails(tmp_path / "new.mat", "MATLAB 7.3", "-v7")
    savemat(tmp_path / "other.mat", {"vertices": np.zeros(3)})
    fails(tmp_path / "other.mat", "shapeMU", "meanshape", "vertices")
    savemat(tmp_path / "words.mat", {"meanshape": "text"} | dict.fromkeys(bfm.FRONT[1:], "text"))
    fails(tmp_path / "words.mat", "meanshape holds what is no number")


def test_cut_short_file_is_one_clear_error(front):
    front.write_bytes(front.read_bytes()[:5000])
    fails(front, "BFM_model_front.mat")


def test_companions_are_named(basel, tmp_path):
    path = write_basel(tmp_path, basel)
    (tmp_path / "std_exp.txt").unlink()
    (tmp_path / "BFM_exp_idx.mat").unlink()
    fails(path, "std_exp.txt, BFM_exp_idx.mat missing beside it")


@pytest.mark.parametrize(
    ("file", "spoil", "words"),
    [
        ("Exp_Pca.bin", lambda raw: raw[:-4], "Exp_Pca.bin: 88,320 bytes, expected 88,324"),
        ("Exp_Pca.bin", lambda raw: b"", "Exp_Pca.bin: 0 bytes"),
        ("std_exp.txt", lambda raw: b"one two", "std_exp.txt: not a list of numbers"),
        ("std_exp.txt", lambda raw: raw.split(b"\n", 1)[1], "78 standard deviations"),
    ],
)
def test_damaged_companions_are_named(basel, tmp_path, file, spoil, words):
    path = write_basel(tmp_path, basel)
    spoilt = tmp_path / file
    spoilt.write_bytes(spoil(spoilt.read_bytes()))
    fails(path, words)


def test_another_number_of_vertices_is_another_version(basel, tmp_path):
    basel["basel"]["shapePC"] = basel["basel"]["shapePC"][:-3]
    fails(write_basel(tmp_path, basel), "shapePC has 285 rows, expected 288", "another version")
    basel["known"] = basel["known"] + 3
    fails(write_basel(tmp_path, basel), "BFM_exp_idx.mat: trimIndex names vertices")
