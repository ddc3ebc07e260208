"""The verbs about faces: head model, landmarks, fits, conditions, regressors, and what a
conditional generator is for. See `gof.cli.verbs`."""

from __future__ import annotations

from pathlib import Path

from gof.cli.options import (
    CONFIG,
    GENERATOR,
    MANIFEST,
    Options,
    Verbs,
    choice,
    configuration,
    file,
    out,
)


def head_model(options: Options) -> None:
    """Build the linear head model from its asset.

    gof head-model --asset results/assets/head_asset.json --out results/heads/model/head_model.npz
    """
    from gof.heads.build import run_head_model

    run_head_model(configuration(options), options.name, options.asset, options.out)


def bfm(options: Options) -> None:
    """Make a head model of your own copy of the Basel Face Model.

    gof bfm --mat BFM_model_front.mat --out bfm.npz
    """
    from gof.morphable.bfm import run_bfm

    run_bfm(configuration(options), options.mat, options.out)


def landmarks(options: Options) -> None:
    """Find 68 landmarks in every image of a data set.

    gof landmarks --data results/heads/data/manifest.json --out
    results/heads/faces/landmarks/landmarks.json
    """
    from gof.fitting.landmark_set import run_landmarks

    run_landmarks(configuration(options), options.data, options.regressor, options.out)


def fits(options: Options) -> None:
    """Fit the 3DMM to every image of a data set, and estimate the statistics of its coefficients.

    gof fits --data manifest.json --landmarks landmarks.json --head-model head_model.npz --out
    fits/fits.json
    """
    from gof.fitting.fit_set import FitFiles, run_fits

    files = FitFiles(options.data, options.landmarks, options.head_model)
    run_fits(configuration(options), files, options.out)


def fit(options: Options) -> None:
    """Fit the 3DMM to the face of one photograph: a mesh and a picture of the fit.

    gof fit photograph.jpg --head-model results/heads/model/head_model.npz --out fit/
    """
    from gof.fitting.photograph import finder, run_fit

    find = finder(options.regressor)
    run_fit(configuration(options), options.image, options.head_model, find, options.out)


def pool(options: Options) -> None:
    """Draw conditions from the statistics of the fits and render them for training.

    gof pool --data manifest.json --statistics fits/statistics.npz --head-model head_model.npz
    --out pool/manifest.json
    """
    from gof.conditioning.pool import PoolFiles, run_pool

    files = PoolFiles(options.data, options.statistics, options.head_model, options.out)
    run_pool(configuration(options), files)


def regressor(options: Options) -> None:
    """Train a network that reads coefficients, pose and landmarks off an image.

    gof regressor --name judge --data manifest.json --landmarks landmarks.json --fits fits.json
    --pool pool/manifest.json --statistics statistics.npz --head-model head_model.npz --out
    regressor.json
    """
    from gof.readers.data import RegressorFiles
    from gof.readers.training import run_regressor

    files = RegressorFiles(
        data=options.data,
        landmarks=options.landmarks,
        fits=options.fits,
        pool=options.pool,
        statistics=options.statistics,
        head_model=options.head_model,
    )
    run_regressor(configuration(options), options.name, files, options.out)


def edit(options: Options) -> None:
    """Sweep one factor of a conditional generator's head to a sheet or a video.

    gof edit --generator run/stage2/generator.yaml --factor expression --seed 3 --out sheet.png
    """
    from gof.pictures.edits import Edit, EditFiles, run_edit

    files = EditFiles(options.generator, options.out, options.head_model, options.statistics)
    frames = options.frames or (7 if options.out.suffix == ".png" else 24)
    ends = tuple(options.range) if options.range else None
    wanted = Edit(options.factor, options.component, ends, frames, options.seed, options.truncation)
    run_edit(configuration(options), files, wanted)


def show_control(options: Options) -> None:
    """Draw what a conditional generator's obedience looks like: sweeps, meshes, warping.

    gof show-control --generator generator.yaml --head-model head_model.npz
    --statistics statistics.npz --out control/control.json
    """
    from gof.pictures.control import ShowFiles, run_show_control

    files = ShowFiles(options.generator, options.head_model, options.statistics, options.out)
    run_show_control(configuration(options), files)


FACE_VERBS: Verbs = {
    "head-model": (
        head_model,
        [
            CONFIG,
            ("--name", {"default": "heads", "help": "of its data set (default: heads)"}),
            file("--asset", "JSON of `gof download --asset head`"),
            out("head_model.npz to write; a JSON and a picture appear beside it"),
        ],
    ),
    "bfm": (
        bfm,
        [
            CONFIG,
            file("--mat", "BFM_model_front.mat, or 01_MorphableModel.mat with its companions"),
            out("model file to write (.npz); a JSON and a picture appear beside it"),
        ],
    ),
    "landmarks": (
        landmarks,
        [
            CONFIG,
            MANIFEST,
            file("--regressor", "regressor.yaml, where it is the source", required=False),
            out("landmarks.json to write; shards and a picture appear beside it"),
        ],
    ),
    "fits": (
        fits,
        [
            CONFIG,
            MANIFEST,
            file("--landmarks", "landmarks.json of `gof landmarks`"),
            file("--head-model", "head_model.npz of `gof head-model`"),
            out("JSON to write; fits, statistics.npz and a picture appear beside it"),
        ],
    ),
    "fit": (
        fit,
        [
            ("image", {"type": Path, "help": "a photograph of one face"}),
            CONFIG,
            file("--head-model", "head_model.npz of `gof head-model`"),
            file("--regressor", "regressor.yaml to find landmarks in a centred face", False),
            out("folder to write"),
        ],
    ),
    "pool": (
        pool,
        [
            CONFIG,
            MANIFEST,
            file("--statistics", "statistics.npz of `gof fits`"),
            file("--head-model", "head_model.npz of `gof head-model`"),
            out("manifest.json to write; the renders go beside it"),
        ],
    ),
    "regressor": (
        regressor,
        [
            CONFIG,
            choice("--name", ("teacher", "judge"), "which of `faces.regressors`"),
            MANIFEST,
            file("--landmarks", "landmarks.json of `gof landmarks`"),
            file("--fits", "fits.json of `gof fits`"),
            file("--pool", "manifest.json of `gof pool`"),
            file("--statistics", "statistics.npz of `gof fits`"),
            file("--head-model", "head_model.npz of `gof head-model`"),
            out("JSON to write; regressor.yaml and its weights appear beside it"),
        ],
    ),
    "edit": (
        edit,
        [
            CONFIG,
            GENERATOR,
            (
                "--factor",
                {
                    "required": True,
                    "help": "shape, expression, albedo, light, pose, free_geometry or free_texture",
                },
            ),
            ("--component", {"help": "number or name of what of it changes (default: 0, or yaw)"}),
            (
                "--range",
                {
                    "type": float,
                    "nargs": 2,
                    "metavar": ("LOW", "HIGH"),
                    "help": "standard deviations (default: -2 2) or radians (default: -0.5 0.5)",
                },
            ),
            ("--seed", {"type": int, "default": 0, "help": "which head (default: 0)"}),
            ("--frames", {"type": int, "help": "default: 7 on a sheet, 24 in a video"}),
            (
                "--truncation",
                {"type": float, "default": 1.0, "help": "psi, 0 to 1 (default: 1)"},
            ),
            file("--head-model", "head_model.npz: names of components, the mesh too", False),
            file("--statistics", "statistics.npz of `gof fits`, likewise", False),
            out("picture to write: .png, .gif or .mp4; a record appears beside it"),
        ],
    ),
    "show-control": (
        show_control,
        [
            CONFIG,
            GENERATOR,
            file("--head-model", "head_model.npz of `gof head-model`"),
            file("--statistics", "statistics.npz of `gof fits`"),
            out("control.json to write; pictures appear beside it"),
        ],
    ),
}
