"""One photograph: its face's landmarks, a crop into the camera's frame, and a 3DMM fit to it, as a
mesh and a picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import trimesh
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from gof.data.collection import decode
from gof.experiment.config import Config
from gof.fitting.checks import projected
from gof.fitting.crop import SIZE, Crop, crop_around
from gof.fitting.figure import FITTED, GIVEN, dotted, draw_fit
from gof.fitting.fit import FAILURES, Certainty, Fits, Fitter
from gof.fitting.fit_record import numbers_of
from gof.fitting.jobs import FitJob
from gof.fitting.landmark_set import detect
from gof.geometry.cameras import project
from gof.geometry.glb import exported
from gof.geometry.shading import to_srgb
from gof.morphable.model import MorphableModel
from gof.readers.files import load_regressor
from gof.run.files import InputError, MachineError, atomic_write, regular, say, write_png
from gof.run.images import BadImage
from gof.run.job import job
from gof.run.outputs import Writes
from gof.run.target import Target, placed

KINDS = ("ply", "glb")  # of meshes
ALONE = (*KINDS, "obj")  # of one by itself
READ = 64  # pixels at which a regressor reads a picture
SMALLEST = 64  # side of a photograph, pixels
POINTS, LINES = 68, 2**16  # landmarks, and bytes of a file with them
LARGEST = 2048  # side at which faces are looked for, pixels
YAW, PITCH, ROLL, SHIFT = 0.6, 0.3, 0.1, 0.05  # standard deviations of a face's place in its crop


@dataclass(frozen=True, slots=True)
class DetectedFaces:
    """The faces of a picture: points [f, 68, 2] on its plane (x right, y up, the picture spans [-1,
    1]) and confidence [f, 68]."""

    points: Tensor
    confidence: Tensor


Finder = Callable[[Tensor], DetectedFaces]  # of a square picture uint8 [3, s, s]


def finder(regressor: Path | None) -> Finder:
    """What finds landmarks: a trained regressor, which takes the picture for a centred face, as in
    the images it was trained on; without one the detector, which finds any number of faces. Raises
    InputError for a file that is no regressor."""
    if regressor is None:
        return _detect
    network = load_regressor(regressor)

    def read_off(picture: Tensor) -> DetectedFaces:
        small = torch.nn.functional.interpolate(picture[None].float(), READ, mode="area")
        points = network(small / 127.5 - 1).landmarks
        return DetectedFaces(points, torch.ones(points.shape[:2]))

    return read_off


def given(landmarks: Path, image: Path) -> Finder:
    """What knows the landmarks of one photograph: a file with 68 lines of x and y, its pixels.
    Raises InputError where it is none, or a landmark lies outside of the photograph."""
    size = read(image).size
    try:
        pixels = np.loadtxt(regular(landmarks, LINES), dtype=np.float64, ndmin=2)
    except (ValueError, UnicodeDecodeError):
        pixels = np.zeros((0, 2))
    if pixels.shape != (POINTS, 2) or not np.isfinite(pixels).all():
        raise InputError(f"{landmarks}: not {POINTS} lines of two numbers, x and y in pixels")
    if ((pixels < -0.5) | (pixels > np.array(size) - 0.5)).any():
        raise InputError(f"{landmarks}: points outside of {image}, which has {size} pixels")
    side = max(size)
    plane = (pixels + 0.5 + (side - np.array(size)) // 2) / side * 2 - 1
    points = torch.from_numpy(plane * (1, -1)).float()[None]
    return lambda _: DetectedFaces(points, torch.ones(points.shape[:2]))


def _detect(picture: Tensor) -> DetectedFaces:
    found = detect(picture[None])
    count = int(found.faces[0])
    return DetectedFaces(
        found.points[:1].expand(count, -1, -1), found.confidence[:1].expand(count, -1)
    )


def square(picture: Image.Image) -> Image.Image:
    """The picture in the middle of a square of its longer side, no larger than LARGEST."""
    side = max(picture.size)
    page = Image.new("RGB", (side, side))
    page.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    if side > LARGEST:
        page = page.resize((LARGEST, LARGEST), Image.Resampling.BICUBIC, reducing_gap=3.0)
    return page


def read(path: Path) -> Image.Image:
    """A photograph, upright. Raises InputError for what is no image, or too small."""
    try:
        picture = decode(path, (0.0, 0.0, 0.0))
    except BadImage as error:
        raise InputError(f"{path}: {error}: give a photograph (JPEG, PNG, ...)") from None
    if min(picture.size) < SMALLEST:
        size = f"{picture.width} x {picture.height} pixels"
        raise InputError(f"{path}: {size}: give at least {SMALLEST} pixels a side")
    return picture


@dataclass(frozen=True, slots=True)
class Portrait:
    """A fitted photograph: the crop's place and pixels uint8 [SIZE, SIZE, 3], its landmarks [68, 2]
    on the crop's plane, and the fit, a batch of one."""

    crop: Crop
    pixels: np.ndarray
    landmarks: Tensor
    fits: Fits


def one_face(faces: DetectedFaces, path: Path) -> tuple[Tensor, Tensor]:
    """Points and confidence of the only face. Raises InputError where there is none or are
    several."""
    count = len(faces.points)
    if count == 0:
        raise InputError(f"{path}: no face found: give a picture with one face that looks ahead")
    if count > 1:
        raise InputError(f"{path}: {count} faces found: cut the picture so that one is left")
    return faces.points[0], faces.confidence[0]


def fit_photograph(config: Config, model: MorphableModel, path: Path, find: Finder) -> Portrait:
    """Find the face of a photograph and fit the model to it. Raises InputError naming the file
    where that cannot be done."""
    picture = square(read(path))
    say(f"{path.name}: looking for a face")
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)
    points, confidence = one_face(find(pixels), path)
    front, _ = project(model.mean[model.landmarks][None], torch.zeros(1, 2), config.camera.fov_deg)
    try:
        crop = crop_around(points, front[0])
    except InputError as error:
        raise InputError(f"{path}: {error}: give a sharper picture") from None
    cut, marks = crop.cut(picture), crop.to_crop(points)
    say(f"{path.name}: fitting {len(model.identity) + len(model.expression)} coefficients of shape")
    wide = config.camera.model_copy(update={"yaw": YAW, "pitch": PITCH})
    place = {"roll": ROLL, "shift": SHIFT, "region": "face"}
    settings = config.faces.fit.model_copy(update=place)
    fitter = Fitter.make(model, settings, wide, Certainty.of(settings, exact=False))
    code = torch.from_numpy(cut).permute(2, 0, 1)[None].float() / 255
    fits, _ = fitter.fit(code, marks[None], confidence[None])
    reason = FAILURES[int(fits.failure[0])]
    if reason:
        raise InputError(f"{path}: cannot be fitted: {reason}: give another picture of the face")
    return Portrait(crop, cut, marks, fits)


def overlay(model: MorphableModel, portrait: Portrait, fov_deg: float) -> np.ndarray:
    """The crop, its landmarks (found and fitted), the fit over it, and the fit alone, side by side:
    uint8 [SIZE, 4 SIZE, 3]."""
    colour, cover, _ = (part[0] for part in draw_fit(model, portrait.fits, fov_deg, SIZE))
    crop = torch.from_numpy(portrait.pixels).float() / 255
    marks = projected(model, portrait.fits, fov_deg)[0]
    dots = dotted(portrait.pixels, [(portrait.landmarks, GIVEN), (marks, FITTED)])
    panels = [cover * colour + (1 - cover) * crop, cover * colour + (1 - cover)]
    drawn = [(panel.clamp(0, 1) * 255).round().byte().numpy() for panel in panels]
    return np.concatenate([portrait.pixels, dots, *drawn], 1)


def mesh(model: MorphableModel, fits: Fits) -> trimesh.Trimesh:
    """The first head, in its own place (camera radii, y up, facing +z), with its albedo in sRGB."""
    head = fits.coefficients[:1]
    colours = (to_srgb(model.colours(head.albedo))[0] * 255).round().byte()
    return trimesh.Trimesh(
        model.vertices(head.identity, head.expression)[0].numpy(),
        model.triangles.numpy(),
        vertex_colors=colours.numpy(),
        process=False,
    )


def run_fit(config: Config, wanted: FitJob, find: Finder | None = None) -> None:
    """Fit a photograph, or all of a folder, each into a folder of its name; those that cannot be
    fitted are said and left out. Raises InputError where none can."""
    if not wanted.image.is_dir():
        return _fit_one(config, wanted, find)
    if wanted.landmarks is not None or Path(wanted.out).suffix:
        raise InputError("--image is a folder: --out has to be one, and --landmarks belong to one")
    find, done = find or finder(wanted.regressor), 0
    images = sorted(path for path in wanted.image.iterdir() if path.is_file())
    for path in tqdm(images, desc="photographs", disable=None):
        try:
            out = Target(f"{wanted.out}/{path.stem}/")
            _fit_one(config, replace(wanted, image=path, out=out), find)
            done += 1
        except MachineError:
            raise
        except InputError as error:
            say(f"left out: {error}")
    if not done:
        raise InputError(f"{wanted.image}: none of its {len(images)} files could be fitted")
    say(f"{done} of {len(images)} files fitted")


def _fit_one(config: Config, wanted: FitJob, find: Finder | None) -> None:
    """Fit one photograph; write what `wanted.out` names, and a record beside it: the mesh, the
    picture of the fit, or, into a folder, mesh.ply, mesh.glb, overlay.png and fit.json."""
    image, marks = wanted.image, wanted.landmarks
    find = find or (given(marks, image) if marks else finder(wanted.regressor))
    out = placed(wanted.out, "fit.json", *(f".{kind}" for kind in ALONE), ".png")
    whole, picture = out.suffix == ".json", out.with_suffix(".png")
    files = [out]
    if whole:
        picture = out.with_name("overlay.png")
        files = [*(out.with_name(f"mesh.{kind}") for kind in KINDS), picture]
    own = config.scoped(config.only("datasets", "faces"))
    inputs = {"image": image, "head_model": wanted.head_model}
    inputs |= {"landmarks": marks} if marks else {}
    writes = Writes(tuple(files), fills=whole)
    with job(out.with_suffix(".json"), "fit", own, inputs, writes) as running:
        model = MorphableModel.load(wanted.head_model)
        portrait = fit_photograph(config, model, image, find)
        shape = mesh(model, portrait.fits)
        for file in files:
            if file == picture:
                write_png(file, overlay(model, portrait, config.camera.fov_deg))
                running.artifact(file)
            else:
                atomic_write(file, exported(shape, file.suffix[1:]))
        crop = portrait.crop
        running.numbers = {
            "crop": {"scale": crop.scale, "angle_rad": crop.angle, "centre": list(crop.centre)},
            "landmarks": portrait.landmarks.tolist(),
            **numbers_of(portrait.fits),
        }
