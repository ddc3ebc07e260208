"""What the authors' generators were trained with: the `curriculum` of their code, which the last
line of options.txt repeats, and the released ones (method-gof 2 and 3.6, method-cgof 4.1)."""

from __future__ import annotations

import ast
import math
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from gof.config.section import Count, Fraction, NonNegative, Positive
from gof.geometry.settings import Camera
from gof.run.files import MAX_YAML, InputError, regular

LATENT = {"gof": 256, "pigan": 256, "cgof": 411}
FRONT = math.pi / 2  # what their angles are from the front, which are measured from the pole
LAWS: dict[str, Literal["gaussian", "uniform", "sphere"]] = {
    "gaussian": "gaussian",
    "normal": "gaussian",
    "uniform": "uniform",
    "spherical_uniform": "sphere",
}


class Curriculum(BaseModel):
    """What a picture depends on. Names and units are theirs: fov in degrees, angles in radians
    from the pole, `interval_min` a half-width; of what stages differ in it is the last one's."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)

    fov: Positive
    ray_start: Positive
    ray_end: Positive
    sample_dist: str
    h_stddev: NonNegative
    v_stddev: NonNegative
    h_mean: float = FRONT
    v_mean: float = FRONT
    model: Literal["SPATIALSIRENBASELINE", "TALLSIREN"] = "SPATIALSIRENBASELINE"
    dataset: str = "unknown"
    clamp_mode: Literal["relu", "softplus"] = "relu"
    pred_occ: bool = False
    white_back: bool = False
    last_back: bool = False
    eval_last_back: bool = False
    tau: Fraction = 0.5
    n_secant_steps: Count = 8
    interval_max: Positive = 0.12
    interval_min: Positive = 0.02
    num_steps: Count | None = None
    num_steps_coarse: Count = 9
    num_steps_surface: Count = 9
    num_steps_fine: Count = 6
    img_size: Count = 128
    steps: Count = 1

    @property
    def scene_side(self) -> float:
        """Of the cube that their network scales to [-1, 1]: TALLSIREN takes places as they are."""
        return 2.0 if self.model == "TALLSIREN" else 0.24

    @property
    def camera(self) -> Camera:
        """The camera with the law of its poses. Raises InputError for one that ours cannot have."""
        law = LAWS.get(self.sample_dist)
        if law is None or (law == "sphere" and abs(self.h_stddev - math.pi) > 1e-3):
            known = ", ".join(LAWS)
            raise InputError(
                f"sample_dist: poses by {self.sample_dist!r} over {self.h_stddev:g} rad have no"
                f" counterpart here: name one of {known} (spherical_uniform: all yaws)"
            )
        seen: dict[str, Any] = {"fov_deg": self.fov, "near": self.ray_start, "far": self.ray_end}
        if law == "sphere":  # the cosine of their pitch is uniform
            ends = (self.v_mean + sign * self.v_stddev for sign in (1, -1))
            cosines = (1 - 2 * min(max(end / math.pi, 0), 1) for end in ends)
            return Camera(**seen, law=law, elevation=tuple(map(math.asin, cosines)))
        means = {"yaw_mean": FRONT - self.h_mean, "pitch_mean": FRONT - self.v_mean}
        return Camera(**seen, **means, law=law, yaw=self.h_stddev, pitch=self.v_stddev)


_FACES = {
    **{"fov": 12, "ray_start": 0.88, "ray_end": 1.12, "sample_dist": "gaussian"},
    **{"h_stddev": 0.3, "v_stddev": 0.155, "eval_last_back": True},
}
_CATS = {
    **{"fov": 12, "ray_start": 0.8, "ray_end": 1.2, "sample_dist": "uniform"},
    **{"h_stddev": 0.5, "v_stddev": 0.4, "eval_last_back": True},
}
_GOF = {"pred_occ": True, "n_secant_steps": 4}
_CARLA_PITCH = math.pi / 4 * 85 / 90
RELEASED: dict[tuple[str, str], dict[str, Any]] = {
    ("gof", "bfm"): _FACES
    | _GOF
    | {"dataset": "BFM", "interval_min": 0.02, "steps": 80_000}
    | {"num_steps_surface": 12, "num_steps_fine": 3},
    ("gof", "celeba"): _FACES
    | _GOF
    | {"dataset": "CelebA", "interval_min": 0.03, "steps": 200_000},
    ("gof", "cats"): _CATS
    | _GOF
    | {"dataset": "Cats", "interval_max": 0.2, "interval_min": 0.1, "steps": 40_000},
    ("pigan", "celeba"): _FACES
    | {"dataset": "CelebA", "num_steps": 12, "img_size": 64, "steps": 200_000},
    ("pigan", "cats"): _CATS
    | {"dataset": "Cats", "num_steps": 24, "img_size": 64, "steps": 200_000},
    ("pigan", "carla"): {
        **{"fov": 30, "ray_start": 0.7, "ray_end": 1.3, "sample_dist": "spherical_uniform"},
        **{"h_stddev": math.pi, "v_stddev": _CARLA_PITCH, "v_mean": _CARLA_PITCH},
        **{"model": "TALLSIREN", "dataset": "Carla", "white_back": True},
        **{"num_steps": 48, "steps": 200_000},
    },
    ("cgof", "celeba"): _FACES
    | {"dataset": "CelebA", "num_steps": 12, "last_back": True, "img_size": 64, "steps": 80_000},
}


def released(method: str, dataset: str | None) -> Curriculum:
    """That of released weights. Raises InputError where there is none, or several and none
    named."""
    known = {own: values for (of, own), values in RELEASED.items() if of == method}
    name = next(iter(known)) if dataset is None and len(known) == 1 else dataset
    if name not in known:
        raise InputError(
            f"--options, --dataset: {method} was trained on {', '.join(known)}: give options.txt,"
            " or name one of them"
        )
    return Curriculum.model_validate(known[name])


def read(path: Path) -> Curriculum:
    """That of an options.txt, whose last line holds it as a literal of Python. Raises InputError
    naming the file and what is missing or makes no sense."""
    lines = regular(path, MAX_YAML).read_text(errors="replace").split("\n")
    last = next((line for line in reversed(lines) if line.strip()), "")
    try:
        given = ast.literal_eval(last.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise InputError(f"{path}: its last line is no curriculum ({{'fov': 12, ...}})")
    flat = {key: value for key, value in given.items() if isinstance(key, str)}
    starts = sorted(key for key in given if isinstance(key, int))
    for start in starts:
        if isinstance(given[start], dict):
            flat |= given[start]
    if starts and starts[-1] > 0:
        flat["steps"] = starts[-1]
    try:
        return Curriculum.model_validate(flat)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise InputError(f"{path}: {key}: {first['msg']}") from None
