import io
import json
import struct
from pathlib import Path

import numpy as np
import pytest
import trimesh

from gof.geometry.glb import glb, linear


def ball() -> trimesh.Trimesh:
    mesh = trimesh.creation.icosphere(2, 0.1)
    rows = np.arange(len(mesh.vertices)) % 256
    mesh.visual.vertex_colors = np.stack([rows, rows[::-1], rows, rows * 0 + 255], 1).astype("u1")
    return mesh


def opened(content: bytes) -> tuple[dict, bytes]:
    """The tree and the arrays of a file, whose lengths are checked."""
    magic, version, length = struct.unpack("<4sII", content[:12])
    assert (magic, version, length) == (b"glTF", 2, len(content)) and length % 4 == 0
    size, kind = struct.unpack("<I4s", content[12:20])
    rest = content[20 + size :]
    assert kind == b"JSON" and size % 4 == 0
    assert struct.unpack("<I4s", rest[:8]) == (len(rest) - 8, b"BIN\0")
    return json.loads(content[20 : 20 + size]), rest[8:]


def array(tree: dict, binary: bytes, number: int) -> np.ndarray:
    said = tree["accessors"][number]
    view = tree["bufferViews"][said["bufferView"]]
    kind = {5126: "<f4", 5123: "<u2", 5125: "<u4"}[said["componentType"]]
    width = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}[said["type"]]
    assert view["byteOffset"] % 4 == 0
    part = binary[view["byteOffset"] :][: view["byteLength"]]
    return np.frombuffer(part, kind).reshape(said["count"], width)


def glb_colours(path: Path) -> np.ndarray:
    """The colours [v, 4] that a file gives its vertices; trimesh drops those of a mesh with a
    material."""
    tree, binary = opened(path.read_bytes())
    return array(tree, binary, tree["meshes"][0]["primitives"][0]["attributes"]["COLOR_0"])


def test_the_mesh_comes_back() -> None:
    mesh = ball()
    tree, binary = opened(glb(mesh))
    (shape,) = tree["meshes"][0]["primitives"]
    read = {name: array(tree, binary, n) for name, n in shape["attributes"].items()}
    assert np.array_equal(read["POSITION"], mesh.vertices.astype("f4"))
    assert np.array_equal(array(tree, binary, shape["indices"]).reshape(-1, 3), mesh.faces)
    assert np.abs(np.linalg.norm(read["NORMAL"], axis=1) - 1).max() < 1e-6
    assert (read["NORMAL"] * read["POSITION"]).sum(1).min() > 0
    low, high = (tree["accessors"][0][name] for name in ("min", "max"))
    assert np.array_equal(low, read["POSITION"].min(0))
    assert np.array_equal(high, read["POSITION"].max(0))
    other = trimesh.load(io.BytesIO(glb(mesh)), "glb", force="mesh")
    assert other.is_watertight and other.volume == pytest.approx(mesh.volume, rel=1e-5)


def test_colours_are_linear_and_the_surface_is_matt() -> None:
    mesh = ball()
    tree, binary = opened(glb(mesh))
    (shape,) = tree["meshes"][0]["primitives"]
    colours = array(tree, binary, shape["attributes"]["COLOR_0"])
    assert tree["accessors"][shape["attributes"]["COLOR_0"]]["normalized"]
    assert (colours[:, 3] == 65535).all()
    assert len(np.unique(colours[:, 0])) == min(256, len(mesh.vertices)), "no two values are one"
    assert colours[:, :3].max() == round(
        linear(np.uint8(mesh.visual.vertex_colors[:, :3].max())) * 65535
    )
    material = tree["materials"][shape["material"]]["pbrMetallicRoughness"]
    assert material == {"metallicFactor": 0.0, "roughnessFactor": 1.0}


@pytest.mark.parametrize(
    ("value", "intensity"), [(0, 0.0), (10, 0.003035), (128, 0.215861), (188, 0.502886), (255, 1.0)]
)
def test_srgb_becomes_linear(value, intensity) -> None:
    assert linear(np.array([value], np.uint8))[0] == pytest.approx(intensity, abs=1e-6)
