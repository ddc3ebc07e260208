"""The Basel Face Model as a morphable model in the world.

Read are the user's own files, in MATLAB's format: `BFM_model_front.mat` of Deep3DFaceRecon, or
`01_MorphableModel.mat` of BFM-2009 (Paysan et al., "A 3D face model for pose and illumination
invariant face recognition", 2009) with the expressions of Guo et al. ("CNN-based real-time dense
face reconstruction with inverse-rendered photo-realistic face images", 2018) and Deep3DFaceRecon's
choice of vertices beside it. Both give the same front face: 35,709 vertices, identity 80,
expression 64 and albedo 80, all scaled to standard deviation 1 (method-cgof 1.3).
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor
from pathlib import Path

import numpy as np
import torch
from scipy.io.matlab import MatReadError

from gof.experiment.config import Config
from gof.geometry.cameras import project
from gof.geometry.images import shrink
from gof.geometry.lighting import shade, studio_light
from gof.geometry.meshes import vertex_normals
from gof.geometry.shading import View, picture
from gof.morphable.jobs import BfmJob
from gof.morphable.matlab import arrays_in, names_in
from gof.morphable.model import MorphableModel, write_model
from gof.morphable.similarity import constant_crop
from gof.run.files import InputError, regular, say, write_png
from gof.run.job import job
from gof.run.outputs import Writes
from gof.run.target import placed

IDENTITIES, EXPRESSIONS, ALBEDOS = 80, 64, 80
DECIMETRE = 1e5  # of the file's micrometres
FRONT = ("meanshape", "meantex", "idBase", "exBase", "texBase", "tri", "keypoints")
BASEL = ("shapeMU", "shapePC", "shapeEV", "texMU", "texPC", "texEV")
# Beside 01_MorphableModel.mat: expressions, and which vertices they and the front face have.
BESIDE = (
    "Exp_Pca.bin",
    "std_exp.txt",
    "BFM_exp_idx.mat",
    "BFM_front_idx.mat",
    "facemodel_info.mat",
)
TILE, COLUMNS = 224, 5  # of the picture
Arrays = dict[str, np.ndarray]


def read_bfm(path: Path, fov_deg: float) -> Arrays:
    """Arrays of a model file (`gof.morphable.model`) in camera radii, for a camera of that angle of
    view. Raises InputError naming the file and key that is missing or does not fit."""
    keys = _keys(path)
    if "meanshape" in keys:
        front = _matlab(path, FRONT)
    elif "shapeMU" in keys:
        front = _front_of_basel(path)
    else:
        raise InputError(
            f"{path}: neither BFM-2009 (key shapeMU) nor Deep3DFaceRecon's front face (key "
            f"meanshape), but {', '.join(sorted(keys)[:6]) or 'empty'}: give one of these two"
        )
    return _in_world(front, path, fov_deg)


def _foreign(path: Path, error: Exception) -> InputError:
    if isinstance(error, FileNotFoundError):
        return InputError(f"{path}: no such file: get it with a licence from its authors")
    if isinstance(error, NotImplementedError):  # what scipy says of MATLAB 7.3, which is HDF5
        return InputError(f"{path}: MATLAB 7.3 file: save it as version 7 (save -v7)")
    return InputError(
        f"{path}: not a MATLAB file ({type(error).__name__}): BFM-2009 is 01_MorphableModel.mat; "
        "the .h5 files of 2017 and 2019 are other models"
    )


# what scipy raises for files that are cut short, damaged or of other formats
UNREADABLE = (
    *(OSError, ValueError, TypeError, LookupError, NotImplementedError, NameError),
    *(ArithmeticError, MemoryError, MatReadError, zlib.error, BrokenExecutor),
)


def _keys(path: Path) -> set[str]:
    try:
        return names_in(regular(path))
    except InputError:
        raise
    except UNREADABLE as error:
        raise _foreign(path, error) from None


def _matlab(path: Path, names: Sequence[str]) -> Arrays:
    """The named arrays of a MATLAB file; all must be numbers."""
    try:
        found = arrays_in(regular(path), names)
    except InputError:
        raise
    except UNREADABLE as error:
        raise _foreign(path, error) from None
    for name in names:
        if name not in found:
            raise InputError(f"{path}: {name} is missing: another version of this file?")
        if found[name].dtype.kind not in "iuf" or not np.isfinite(found[name]).all():
            raise InputError(f"{path}: {name} holds what is no number: get the file again")
    return {name: found[name] for name in names}


def _columns(values: np.ndarray, count: int, vertices: int, what: str) -> np.ndarray:
    """The first components of a basis [3 v, any] as [count, v, 3]."""
    if values.ndim != 2 or len(values) != 3 * vertices or values.shape[1] < count:
        raise InputError(
            f"{what} has shape {values.shape}, expected ({3 * vertices}, {count} or more):"
            " another version of this file?"
        )
    return values[:, :count].T.reshape(count, vertices, 3)


def _numbers(values: np.ndarray, below: int, what: str) -> np.ndarray:
    """MATLAB's numbers from 1 -> from 0."""
    found = values.astype(np.int64) - 1
    if not found.size or found.min() < 0 or found.max() >= below:
        raise InputError(f"{what} names vertices that are not among {below:,}: another version?")
    return found


def _scaled(basis: np.ndarray, spread: np.ndarray, what: str) -> np.ndarray:
    """Components [3 v, k] times their standard deviations, as many as either has."""
    if basis.ndim != 2 or basis.shape[1] != spread.size:
        raise InputError(
            f"{what}: {spread.size} standard deviations for a basis of shape {basis.shape}:"
            " another version of this file?"
        )
    return basis * spread.reshape(1, -1)


def _expressions(folder: Path, vertices: int) -> np.ndarray:
    """Expression components [3 v, k] times their standard deviations, in micrometres. The file: a
    number k, then mean and k components of 3 v values each."""
    path, deviations = folder / "Exp_Pca.bin", folder / "std_exp.txt"
    content = regular(path).read_bytes()
    count = int(np.frombuffer(content[:4].ljust(4, b"\0"), "<i4")[0])
    expected = 4 + 4 * 3 * vertices * (1 + max(count, 0))
    if count < 1 or len(content) != expected:
        raise InputError(
            f"{path}: {len(content):,} bytes, expected {expected:,} for {count} components of "
            f"{vertices:,} vertices: cut short or another version"
        )
    try:
        spread = np.loadtxt(regular(deviations))
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{deviations}: not a list of numbers: get the file again") from None
    values = np.frombuffer(content, "<f4", offset=4).reshape(1 + count, 3 * vertices)
    return _scaled(values[1:].T, spread, str(deviations))


def _front_of_basel(path: Path) -> Arrays:
    """What BFM_model_front.mat holds, made from BFM-2009 and the files beside it."""
    folder = path.parent
    missing = [name for name in BESIDE if not (folder / name).is_file()]
    if missing:
        raise InputError(
            f"{path}: {', '.join(missing)} missing beside it: Exp_Pca.bin comes with Guo et al.'s "
            "3DFace, the others with Deep3DFaceRecon_pytorch"
        )
    basel = _matlab(path, BASEL)
    full = basel["shapeMU"].size // 3
    known = _matlab(folder / "BFM_exp_idx.mat", ["trimIndex"])["trimIndex"].ravel()
    known = _numbers(known, full, f"{folder / 'BFM_exp_idx.mat'}: trimIndex")
    own = _matlab(folder / "BFM_front_idx.mat", ["idx"])["idx"].ravel()
    own = _numbers(own, len(known), f"{folder / 'BFM_front_idx.mat'}: idx")
    identity = _scaled(basel["shapePC"], basel["shapeEV"], f"{path}: shapeEV")
    albedo = _scaled(basel["texPC"], basel["texEV"], f"{path}: texEV")
    expression = _expressions(folder, len(known))

    def rows(values: np.ndarray, chosen: np.ndarray, vertices: int, name: str) -> np.ndarray:
        if len(values) != 3 * vertices:
            raise InputError(
                f"{path}: {name} has {len(values):,} rows, expected {3 * vertices:,}: "
                "another version of this file?"
            )
        return values.reshape(vertices, 3, -1)[chosen].reshape(3 * len(chosen), -1)

    front, wanted = known[own], ("tri", "keypoints")
    return {
        "meanshape": rows(basel["shapeMU"].reshape(-1, 1), front, full, "shapeMU") / DECIMETRE,
        "meantex": rows(basel["texMU"].reshape(-1, 1), front, full, "texMU"),
        "idBase": rows(identity, front, full, "shapePC") / DECIMETRE,
        "exBase": rows(expression, own, len(known), "Exp_Pca.bin") / DECIMETRE,
        "texBase": rows(albedo, front, full, "texPC"),
        **_matlab(folder / "facemodel_info.mat", wanted),
    }


def _outward(mean: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Triangles counterclockwise from outside: a face looks along +z."""
    a, b, c = (mean[triangles[:, k]] for k in range(3))
    return triangles if np.cross(b - a, c - a)[:, 2].sum() > 0 else triangles[:, ::-1].copy()


def _in_world(front: Arrays, path: Path, fov_deg: float) -> Arrays:
    """Arrays of a model file from those of BFM_model_front.mat."""
    vertices = front["meanshape"].size // 3
    mean = _columns(front["meanshape"].reshape(-1, 1), 1, vertices, f"{path}: meanshape")[0]
    mean = mean - mean.mean(0)
    landmarks = _numbers(front["keypoints"].ravel(), vertices, f"{path}: keypoints")
    triangles = _numbers(front["tri"], vertices, f"{path}: tri")
    if landmarks.size != 68 or triangles.ndim != 2 or triangles.shape[1] != 3:
        raise InputError(
            f"{path}: keypoints has {landmarks.size} entries and tri shape {triangles.shape}, "
            "expected 68 and (any, 3): another version of this file?"
        )
    world = constant_crop(fov_deg)

    def basis(name: str, count: int) -> np.ndarray:
        return _columns(front[name], count, vertices, f"{path}: {name}")

    def turned(name: str, count: int) -> np.ndarray:
        return world.turn(torch.from_numpy(basis(name, count).astype(np.float64))).numpy()

    tone = _columns(front["meantex"].reshape(-1, 1), 1, vertices, f"{path}: meantex")[0]
    arrays = {
        "mean": world.apply(torch.from_numpy(mean.astype(np.float64))).numpy(),
        "identity": turned("idBase", IDENTITIES),
        "expression": turned("exBase", EXPRESSIONS),
        "albedo_mean": tone,
        "albedo_basis": basis("texBase", ALBEDOS),
    }
    return {name: array.astype(np.float32) for name, array in arrays.items()} | {
        "expression_names": np.array([f"expression {k + 1}" for k in range(EXPRESSIONS)]),
        "triangles": _outward(mean, triangles),
        "landmarks": landmarks,
    }


def write_figure(model: MorphableModel, fov_deg: float, out: Path) -> None:
    """The mean with its landmarks from five sides; then the first five components of identity,
    expression and albedo at +2 standard deviations, in rows."""
    poses = torch.zeros(4 * COLUMNS, 2)
    poses[:COLUMNS, 0] = torch.linspace(-0.6, 0.6, COLUMNS)
    parts = [torch.zeros(4 * COLUMNS, n) for n in (IDENTITIES, EXPRESSIONS, ALBEDOS)]
    for row, part in enumerate(parts, 1):
        part[row * COLUMNS : (row + 1) * COLUMNS, :COLUMNS] = 2 * torch.eye(COLUMNS)
    identity, expression, albedo = parts
    vertices = model.vertices(identity, expression)
    light = shade(vertex_normals(vertices, model.triangles), studio_light(len(poses)))
    view = View(poses, fov_deg, (1.0, 1.0, 1.0))
    shaded = model.colours(albedo) * light
    image = shrink(picture(vertices, model.triangles, shaded, view, 2 * TILE), TILE)
    tiles = (image * 255).round().byte().numpy()
    marks, _ = project(vertices[:COLUMNS, model.landmarks], poses[:COLUMNS], fov_deg)
    at = (torch.stack([marks[..., 0] + 1, 1 - marks[..., 1]], -1) * TILE / 2).long()
    for tile, points in zip(tiles[:COLUMNS], at.clamp(1, TILE - 1).tolist(), strict=True):
        for x, y in points:
            tile[y - 1 : y + 1, x - 1 : x + 1] = (0, 220, 60)
    page = tiles.reshape(4, COLUMNS, TILE, TILE, 3).swapaxes(1, 2)
    write_png(out, page.reshape(4 * TILE, COLUMNS * TILE, 3))


def run_bfm(config: Config, wanted: BfmJob) -> None:
    """Write the model file of the user's Basel Face Model, with a record and a picture beside it.
    Raises InputError naming the file and key that is missing or does not fit."""
    mat, out = wanted.mat, placed(wanted.out, "bfm.npz")
    _keys(mat)
    record, picture = out.with_suffix(".json"), out.with_suffix(".png")
    with job(record, "bfm", config, {"mat": mat}, Writes((out, picture))) as running:
        say(f"{mat}: reading")
        write_model(out, read_bfm(mat, config.camera.fov_deg))
        model = MorphableModel.load(out)
        write_figure(model, config.camera.fov_deg, picture)
        running.artifact(picture)
        running.numbers = {
            "vertices": len(model.mean),
            "triangles": len(model.triangles),
            "identities": IDENTITIES,
            "expressions": EXPRESSIONS,
            "albedos": ALBEDOS,
            "half_extent": float(model.mean.abs().max()),
        }
