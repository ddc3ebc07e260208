import base64
import gzip
import json
import re
from html.parser import HTMLParser

import numpy as np
import trimesh

from gof.shapes.viewer import viewer


def painted() -> trimesh.Trimesh:
    mesh = trimesh.creation.icosphere(2, 0.1)
    mesh.apply_translation([0.3, 0.0, -0.2])
    colours = np.random.default_rng(0).integers(0, 256, (len(mesh.vertices), 3), np.uint8)
    normals = (mesh.vertices - [0.3, 0.0, -0.2]) / 0.1
    return trimesh.Trimesh(
        mesh.vertices, mesh.faces, vertex_normals=normals, vertex_colors=colours, process=False
    )


def embedded(page: str) -> list[dict]:
    found = re.search(r'<script id="meshes" type="application/json">(.*?)</script>', page, re.S)
    assert found
    return json.loads(found[1])


def array(entry: dict, name: str, kind: str) -> np.ndarray:
    content = gzip.decompress(base64.b64decode(entry[name]))
    return np.frombuffer(content, kind).reshape(-1, 3)


def test_the_page_holds_the_mesh() -> None:
    mesh = painted()
    (entry,) = embedded(viewer({"one": mesh}, "t"))
    span = mesh.extents.max()
    places = array(entry, "positions", "<u2") / 65535 * span + mesh.bounds[0]
    np.testing.assert_allclose(places, mesh.vertices, atol=span / 65535)
    assert np.array_equal(array(entry, "faces", "<u4"), mesh.faces)
    assert np.array_equal(array(entry, "colours", "u1"), mesh.visual.vertex_colors[:, :3])
    np.testing.assert_allclose(array(entry, "normals", "i1") / 127, mesh.vertex_normals, atol=0.005)
    np.testing.assert_allclose(entry["size"], mesh.extents / span)
    assert (entry["vertexCount"], entry["faceCount"]) == (len(mesh.vertices), len(mesh.faces))


def test_the_page_loads_nothing_and_names_are_text() -> None:
    name = "</script><b>x"
    page = viewer({name: painted()}, "<i>a & b</i>")
    assert embedded(page)[0]["name"] == name
    assert "&lt;i&gt;a &amp; b&lt;/i&gt;" in page and "<i>" not in page
    assert "__" not in re.sub(r"<script id.*?</script>", "", page, flags=re.S)
    outside: list[str] = []

    class Links(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            outside.extend(v or "" for k, v in attrs if k in ("src", "href", "action", "data"))

    Links().feed(page)
    assert outside == ["data:,"]
    assert not re.search(r"https?://|@import|url\(|fetch\(|XMLHttp|import\(", page)


def test_a_page_without_meshes_is_a_page() -> None:
    assert embedded(viewer({}, "t")) == []
