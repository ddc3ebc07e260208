"""`gof import-faces`: what cGOF's authors made of the images they trained with, as tables of ours
(method-cgof 1.2 and 6).

Identity, expression and albedo are ours as they are. Their light multiplies code values in the
camera's frame, ours is linear light in the head's: it is converted face by face, and as no linear
map does that, statistics of it are those of converted draws.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from gof.authors.jobs import ImportFacesJob
from gof.experiment.config import Config
from gof.fitting.fit import RIDGE, estimate
from gof.morphable.bfm import UNREADABLE
from gof.morphable.coefficients import BLOCKS, Statistics
from gof.morphable.matlab import arrays_of
from gof.morphable.similarity import CENTRE, CROP, FRAME, ZOOM
from gof.readers.deep3d import SIZES, camera_pose, light_probe, linear_light, rotation
from gof.run import rng
from gof.run.files import InputError, regular, write_npz
from gof.run.job import Job, job
from gof.run.object_arrays import read_objects
from gof.run.outputs import Writes
from gof.run.target import placed

THEIRS = {"identity": "id", "expression": "exp", "albedo": "tex", "light": "gamma"}
SHAPES: dict[str, tuple[int, ...]] = {
    **{THEIRS[name]: (1, size) for name, size in SIZES.items()},
    "angle": (1, 3),
}
SHAPES |= {"trans": (1, 3), "lm68": (1, 68, 2)}
DRAWS = 20_000  # lights whose distribution stands for all
DETECTED = (5, 2)  # eyes, nose, corners of the mouth; x, y


def statistics(path: Path) -> Statistics:
    """Statistics of a coeff_distribution_L.npz. Those of light are of converted draws, seen from
    the front: which entry of a latent does what is lost for it. Raises InputError naming the file
    and the table that is missing or does not fit."""
    given = read_objects(path)
    mean, factor = {}, {}
    for name, size in SIZES.items():
        mean[name] = _table(path, given, THEIRS[name], "mean", (size,))
        factor[name] = _table(path, given, THEIRS[name], "L", (size, size))
        if bool((factor[name].diagonal() <= 0).any()) or bool(factor[name].triu(1).any()):
            raise InputError(f"{path}: L of {THEIRS[name]} is no Cholesky factor")
    z = rng.streams(0, "authors' lights", [0]).normal(DRAWS, SIZES["light"])[0]
    gamma = mean["light"] + z @ factor["light"].mT
    light = linear_light(gamma, torch.eye(3).expand(DRAWS, 3, 3), light_probe()).double()
    spread = light.T.cov() + RIDGE**2 * torch.eye(SIZES["light"]).double()
    mean["light"], factor["light"] = light.mean(0).float(), torch.linalg.cholesky(spread).float()
    return Statistics(mean, factor)


def _table(
    path: Path, given: Mapping[str, Any], key: str, part: str, shape: tuple[int, ...]
) -> Tensor:
    entry = given.get(key)
    found = entry.get(part) if isinstance(entry, Mapping) else None
    if not isinstance(found, np.ndarray) or found.dtype.kind != "f":
        raise InputError(f"{path}: holds no {part} of {key}: not cGOF's coeff_distribution_L.npz")
    if found.size != np.prod(shape) or not np.isfinite(found).all():
        raise InputError(f"{path}: {part} of {key} has shape {found.shape}, expected {shape}")
    return torch.from_numpy(found.reshape(shape)).float()


def fits(folder: Path) -> dict[str, np.ndarray]:
    """Fits of n images from a folder of .mat files: name [n]; identity, expression, albedo and
    light; pose [n, 2] (yaw, pitch; radians); translation [n, 3], decimetres in Deep3DFaceRecon's
    camera; landmarks [n, 68, 2] on the image plane (x right, y up, the image spans [-1, 1]). Raises
    InputError naming the file and array that is missing or does not fit."""
    paths = _files(folder, ".mat")
    rows: list[dict[str, np.ndarray]] = []
    try:
        read = tqdm(arrays_of(paths, list(SHAPES)), "fits", len(paths), disable=None)
        for path, found in zip(paths, read, strict=True):
            rows.append({name: _checked(path, found, name, SHAPES[name]) for name in SHAPES})
    except InputError:
        raise
    except UNREADABLE as error:
        at = paths[len(rows)]
        raise InputError(
            f"{at}, or one after it: no MATLAB file ({type(error).__name__})"
        ) from None
    one = {name: torch.from_numpy(np.stack([row[name] for row in rows])) for name in SHAPES}
    turned = rotation(one["angle"])
    made = {name: one[THEIRS[name]] for name in BLOCKS}
    made["light"] = linear_light(one["gamma"], turned, light_probe())
    made |= {"pose": camera_pose(turned), "translation": one["trans"]}
    made["landmarks"] = _from_crop(one["lm68"])
    names = np.array([path.stem for path in paths])
    return {"name": names} | {name: value.numpy() for name, value in made.items()}


def _checked(
    path: Path, found: Mapping[str, np.ndarray], name: str, shape: tuple[int, ...]
) -> np.ndarray:
    """An array of one image without its first axis, float32."""
    values = found.get(name)
    if values is None or values.shape != shape or values.dtype.kind not in "iuf":
        there = "missing" if values is None else f"of shape {values.shape}"
        raise InputError(f"{path}: {name} is {there}, expected {shape}: no fit of cGOF's")
    if not np.isfinite(values).all():
        raise InputError(f"{path}: {name} holds numbers that are not finite")
    return values[0].astype(np.float32)


def _from_crop(points: Tensor) -> Tensor:
    """Pixels [..., 2] of Deep3DFaceRecon's crop, y down from its first row -> the image plane."""
    offset = torch.stack([points[..., 0], CROP - 1 - points[..., 1]], -1) - CROP / 2
    return (offset / ZOOM + points.new_tensor(CENTRE)) / (FRAME / 2) - 1


def detections(folder: Path) -> dict[str, np.ndarray]:
    """Five landmarks of n images from a folder of .txt files: name [n]; points [n, 5, 2] on the
    image plane. Raises InputError naming a file that does not hold five lines "x y"."""
    paths, points = _files(folder, ".txt"), []
    for path in tqdm(paths, "detections", disable=None):
        lines = regular(path, 2**12).read_text(errors="replace").split("\n")
        try:
            found = np.array([[float(x) for x in line.split()] for line in lines if line.strip()])
        except ValueError:
            found = np.zeros(0)
        if found.shape != DETECTED or not np.isfinite(found).all():
            raise InputError(f"{path}: not five lines of x and y in pixels")
        points.append(found)
    plane = (np.stack(points) * 2 / FRAME - 1) * (1, -1)
    return {"name": np.array([path.stem for path in paths]), "points": plane.astype(np.float32)}


def _files(folder: Path, ending: str) -> list[Path]:
    found = sorted(path for path in folder.glob(f"*{ending}") if not path.name.startswith("."))
    if not found:
        raise InputError(f"--files: {folder}: no folder with {ending} files")
    return found


def run_import_faces(config: Config, wanted: ImportFacesJob) -> None:
    """Write the table of what is asked for, and a record. Raises InputError naming the file, and
    what of it is missing or does not fit."""
    source, out = wanted.files, placed(wanted.out, f"{wanted.kind}.npz")
    record, beside = out.with_suffix(".json"), out.with_name("statistics.npz")
    single = wanted.kind == "statistics"
    writes = Writes((out, beside) if wanted.kind == "fits" else (out,), reads=(source,))
    inputs = {"files": source} if single else {}
    own = {"files": str(source)}
    with job(record, "import-faces", config.scoped(config.only()), inputs, writes, own) as running:
        _write(wanted.kind, source, (out, beside), running)


def _write(kind: str, source: Path, files: tuple[Path, Path], running: Job) -> None:
    out, beside = files
    if kind == "statistics":
        statistics(source).save(out)
        return
    rows = fits(source) if kind == "fits" else detections(source)
    if kind == "fits":
        values = {name: torch.from_numpy(rows[name]) for name in BLOCKS}
        none = {name: torch.zeros(size, size) for name, size in SIZES.items()}
        estimate(values, none).save(beside)
    write_npz(out, rows)
    running.numbers = {"images": len(rows["name"])}
