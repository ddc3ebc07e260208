"""One self-contained HTML page in which meshes can be turned."""

from __future__ import annotations

import base64
import gzip
import html
import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import numpy as np
import trimesh

TEMPLATE = "viewer.html"


def viewer(meshes: Mapping[str, trimesh.Trimesh], title: str) -> str:
    """The page, with the meshes inside; it loads nothing from anywhere. meshes: by the name to
    show, with vertex normals and colours."""
    packed = [{"name": name, **_packed(mesh)} for name, mesh in meshes.items()]
    page = files("gof.shapes").joinpath(TEMPLATE).read_text(encoding="utf-8")
    # "<" is written as an escape: no name can end the script element that holds the JSON.
    content = json.dumps(packed).replace("<", "\\u003c")
    return page.replace("__TITLE__", html.escape(title)).replace("__MESHES__", content)


def _packed(mesh: trimesh.Trimesh) -> dict[str, Any]:
    """Arrays as gzipped base64: positions uint16 over the bounding box, normals int8, colours
    uint8, faces uint32."""
    low, high = np.asarray(mesh.bounds)
    span = float((high - low).max())
    colours = np.asarray(mesh.visual.vertex_colors)  # type: ignore[union-attr]
    arrays = {
        "positions": ((mesh.vertices - low) / span * 65535).round().astype("<u2"),
        "normals": (mesh.vertex_normals * 127).round().astype("i1"),
        "colours": colours[:, :3].astype("u1"),
        "faces": mesh.faces.astype("<u4"),
    }
    content = {
        name: base64.b64encode(gzip.compress(array.tobytes(), 6, mtime=0)).decode()
        for name, array in arrays.items()
    }
    size = ((high - low) / span).tolist()
    return {
        "size": size,
        "vertexCount": len(mesh.vertices),
        "faceCount": len(mesh.faces),
        **content,
    }
