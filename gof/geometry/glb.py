"""Painted meshes as files; those that viewers and Blender open best, binary glTF, are made here."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import trimesh
from numpy.typing import NDArray

FLOAT, UINT16, UINT32 = 5126, 5123, 5125  # glTF's names of types
VERTICES, INDICES = 34962, 34963  # and of what an array is for
TYPES = {1: "SCALAR", 3: "VEC3", 4: "VEC4"}
# Without one, viewers take a mesh for polished metal.
MATT = {"pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 1.0}}


def exported(mesh: trimesh.Trimesh, kind: str) -> bytes | str:
    """A mesh as glb, ply, obj or whatever else trimesh writes."""
    content = glb(mesh) if kind == "glb" else mesh.export(file_type=kind)
    assert isinstance(content, bytes | str)
    return content


def glb(mesh: trimesh.Trimesh) -> bytes:
    """A mesh with vertex normals and colours (sRGB, as everywhere here) as the bytes of a .glb
    file: one matt surface, its colours linear, as glTF 2.0 (section 3.7.2.1) has them, in 16 bits,
    since 8 would show steps in the dark."""
    colours = np.asarray(mesh.visual.vertex_colors)[:, :3]  # type: ignore[union-attr]
    opaque = np.full((len(colours), 1), 65535, "<u2")
    normals = np.asarray(mesh.vertex_normals, "<f4")
    arrays = {
        "POSITION": np.asarray(mesh.vertices, "<f4"),
        "NORMAL": normals / np.linalg.norm(normals, axis=1, keepdims=True).clip(1e-20),
        "COLOR_0": np.hstack([(linear(colours) * 65535).round().astype("<u2"), opaque]),
    }
    file = _File()
    attributes = {name: file.add(array, VERTICES) for name, array in arrays.items()}
    positions = arrays["POSITION"]
    file.accessors[0] |= {"min": positions.min(0).tolist(), "max": positions.max(0).tolist()}
    indices = file.add(np.asarray(mesh.faces, "<u4").reshape(-1, 1), INDICES)
    shape = {"attributes": attributes, "indices": indices, "material": 0}
    return file.bytes_of({"primitives": [shape]})


def linear(colours: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Intensities in [0, 1] of sRGB values of 8 bits (IEC 61966-2-1)."""
    share = colours / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


class _File:
    """The arrays of a file and what it says of them."""

    def __init__(self) -> None:
        self.accessors: list[dict[str, Any]] = []
        self.views: list[dict[str, Any]] = []
        self.binary = b""

    def add(self, array: NDArray[Any], target: int) -> int:
        """Append rows, whose sizes are multiples of four bytes; returns their number."""
        kind = {"f4": FLOAT, "u2": UINT16, "u4": UINT32}[array.dtype.str[1:]]
        place = {"buffer": 0, "byteOffset": len(self.binary), "byteLength": array.nbytes}
        self.views.append({**place, "target": target})
        told = {"bufferView": len(self.views) - 1, "componentType": kind, "count": len(array)}
        self.accessors.append({**told, "type": TYPES[array.shape[1]]})
        if kind == UINT16:
            self.accessors[-1]["normalized"] = True
        self.binary += np.ascontiguousarray(array).tobytes()
        return len(self.accessors) - 1

    def bytes_of(self, mesh: dict[str, Any]) -> bytes:
        """The file that holds this mesh."""
        tree = {
            "asset": {"version": "2.0", "generator": "gof"},
            "scene": 0,
            "scenes": [{"nodes": [0]}],
            "nodes": [{"mesh": 0}],
            "meshes": [mesh],
            "materials": [MATT],
            "accessors": self.accessors,
            "bufferViews": self.views,
            "buffers": [{"byteLength": len(self.binary)}],
        }
        text = json.dumps(tree, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        parts = [(b"JSON", text), (b"BIN\0", self.binary)]
        chunks = b"".join(struct.pack("<I", len(p)) + name + p for name, p in parts)
        return b"glTF" + struct.pack("<II", 2, 12 + len(chunks)) + chunks
