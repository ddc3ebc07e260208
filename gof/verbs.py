"""The verbs of the command line: for each a function whose docstring is its help and example, and
its options.

What a verb needs is imported inside its function, so that `gof --help` does not wait for torch.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from gof.config import Config

Options = argparse.Namespace
Option = tuple[str, dict[str, Any]]  # a flag and the arguments of argparse's add_argument
METRICS = ("frechet", "surface", "depth", "disentanglement", "shape", "landmarks")


def _config(options: Options) -> Config:
    """The configuration of a call; runtime sections it leaves open come from the environment
    (GOF_RUNTIME)."""
    from gof.config import Config

    config = Config.load(*options.config)
    runtime = os.environ.get("GOF_RUNTIME")
    return config.with_runtime(Config.load(runtime)) if runtime else config


def download(options: Options) -> None:
    """Fetch an asset and check its hash.

    gof download --asset head --out results/assets/head_asset.json
    """
    from gof.data.download import run_download

    run_download(options.asset, options.out)


def head_model(options: Options) -> None:
    """Build the linear head model from its asset.

    gof head-model --asset results/assets/head_asset.json --out results/heads/model/head_model.npz
    """
    from gof.faces.head_model import run_head_model

    run_head_model(_config(options), options.asset, options.out)


def bfm(options: Options) -> None:
    """Make a head model of your own copy of the Basel Face Model.

    gof bfm --mat BFM_model_front.mat --out bfm.npz
    """
    from gof.faces.bfm import run_bfm

    run_bfm(_config(options), options.mat, options.out)


def dataset(options: Options) -> None:
    """Render the data set `heads`.

    gof dataset --head-model results/heads/model/head_model.npz --out
    results/heads/data/manifest.json
    """
    from gof.faces.heads import run_dataset

    run_dataset(_config(options), options.head_model, options.out)


def prepare(options: Options) -> None:
    """Make a data set from a folder of photographs.

    gof prepare --images photographs/ --on-bad skip --out results/mine/data/manifest.json
    """
    from gof.data.images import run_prepare

    run_prepare(_config(options), options.images, options.out, options.on_bad)


def landmarks(options: Options) -> None:
    """Find 68 landmarks in every image of a data set.

    gof landmarks --data results/heads/data/manifest.json --out
    results/heads/faces/landmarks/landmarks.json
    """
    from gof.faces.detect import run_landmarks

    run_landmarks(_config(options), options.data, options.regressor, options.out)


def fits(options: Options) -> None:
    """Fit the 3DMM to every image of a data set, and estimate the statistics of its coefficients.

    gof fits --data manifest.json --landmarks landmarks.json --head-model head_model.npz --out
    fits/fits.json
    """
    from gof.faces.fit_set import FitFiles, run_fits

    files = FitFiles(options.data, options.landmarks, options.head_model)
    run_fits(_config(options), files, options.out)


def fit(options: Options) -> None:
    """Fit the 3DMM to the face of one photograph: a mesh and a picture of the fit.

    gof fit photograph.jpg --head-model results/heads/model/head_model.npz --out fit/
    """
    from gof.faces.photograph import finder, run_fit

    find = finder(options.regressor)
    run_fit(_config(options), options.image, options.head_model, find, options.out)


def pool(options: Options) -> None:
    """Draw conditions from the statistics of the fits and render them for training.

    gof pool --statistics fits/statistics.npz --head-model head_model.npz --out pool/manifest.json
    """
    from gof.faces.pool import run_pool

    run_pool(_config(options), options.statistics, options.head_model, options.out)


def regressor(options: Options) -> None:
    """Train a network that reads coefficients, pose and landmarks off an image.

    gof regressor --name judge --data manifest.json --landmarks landmarks.json --fits fits.json
    --pool pool/manifest.json --statistics statistics.npz --head-model head_model.npz --out
    regressor.json
    """
    from gof.faces.regressor_data import RegressorFiles
    from gof.faces.regressor_training import run_regressor

    files = RegressorFiles(
        data=options.data,
        landmarks=options.landmarks,
        fits=options.fits,
        pool=options.pool,
        statistics=options.statistics,
        head_model=options.head_model,
    )
    run_regressor(_config(options), options.name, files, options.out)


def train(options: Options) -> None:
    """Train one stage of a model; called again after an interruption, it goes on where it was.

    gof train --model gof --stage 0 --data results/heads/data/manifest.json --out run/stage0
    """
    if options.processes > 1 and "RANK" not in os.environ:
        _become_torchrun(options.processes)
    from gof.io import InputError
    from gof.training.conditions import FaceFiles
    from gof.training.stage import StageJob, run_stage

    files = (options.pool, options.statistics, options.regressor)
    if any(files) and not all(files):
        raise InputError("gof train: --pool, --statistics and --regressor go together")
    wanted = StageJob(
        model=options.model,
        stage=options.stage,
        seed=options.seed,
        data=options.data,
        out=options.out,
        previous=options.previous,
        faces=FaceFiles(*files) if all(files) else None,
        device=options.device,
    )
    run_stage(_config(options), wanted)


def _become_torchrun(processes: int) -> NoReturn:
    """Replace this process by torchrun, which starts this very call in several processes."""
    launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    os.execv(sys.executable, [sys.executable, *launch, "-m", "gof.cli", *sys.argv[1:]])


def samples(options: Options) -> None:
    """Draw a sheet of samples and a turntable.

    gof samples --generator run/stage1/generator.yaml --out run/samples/samples.json
    """
    from gof.samples import run_samples

    run_samples(_config(options), options.generator, options.out)


def mesh(options: Options) -> None:
    """Extract meshes and write a page to turn them in a browser.

    gof mesh --generator run/stage1/generator.yaml --out run/meshes/meshes.json
    """
    from gof.meshing import run_meshes

    run_meshes(_config(options), options.generator, options.out)


def evaluate(options: Options) -> None:
    """Measure a generator, or what a metric gives for known answers (--reference).

    gof evaluate --metric surface --data manifest.json --generator generator.yaml --out surface.json
    """
    from gof.io import InputError
    from gof.metrics.control_bench import ControlFiles
    from gof.metrics.evaluate import EvaluateJob, run_evaluate

    if options.reference == (options.generator is not None):
        raise InputError("gof evaluate: give either --generator FILE or --reference")
    wanted = EvaluateJob(
        metric=options.metric,
        data=options.data,
        out=options.out,
        generator=options.generator,
        untrained=options.untrained,
        features=options.features,
        control=ControlFiles(options.head_model, options.statistics, options.judge, options.floor),
    )
    run_evaluate(_config(options), wanted)


def edit(options: Options) -> None:
    """Sweep one factor of a conditional generator's head to a sheet or a video.

    gof edit --generator run/stage2/generator.yaml --factor expression --seed 3 --out sheet.png
    """
    from gof.edit import Edit, EditFiles, run_edit

    files = EditFiles(options.generator, options.out, options.head_model, options.statistics)
    frames = options.frames or (7 if options.out.suffix == ".png" else 24)
    ends = tuple(options.range) if options.range else None
    wanted = Edit(options.factor, options.component, ends, frames, options.seed, options.truncation)
    run_edit(_config(options), files, wanted)


def show_control(options: Options) -> None:
    """Draw what a conditional generator's obedience looks like: sweeps, meshes, warping.

    gof show-control --generator generator.yaml --head-model head_model.npz
    --statistics statistics.npz --out control/control.json
    """
    from gof.metrics.control_figures import ShowFiles, run_show_control

    files = ShowFiles(options.generator, options.head_model, options.statistics, options.out)
    run_show_control(_config(options), files)


def tables(options: Options) -> None:
    """Write the tables from the records of jobs.

    gof tables --published workflow/paper/published.yaml --out tables
    results/heads/*/seed0/metrics/*.json
    """
    from gof.report.tables import run_tables

    run_tables(_config(options), options.records, options.published, options.out)


def figures(options: Options) -> None:
    """Draw the figures from the records of jobs.

    gof figures --out figures results/heads/*/seed0/stage*/stage.json
    """
    from gof.report.figures import run_figures

    run_figures(_config(options), options.records, options.out)


def readme(options: Options) -> None:
    """Write the generated blocks of the README from a finished run.

    gof readme --results results
    """
    from gof.report.readme import run_readme

    run_readme(options.results, options.readme)


def sync(options: Options) -> None:
    """Copy what MLflow does not have yet into it.

    MLFLOW_TRACKING_URI=http://localhost:5000 gof sync
    """
    from gof import mirror
    from gof.io import say

    config = _config(options)
    results = Path(config.pathvars.get("results", "results"))
    places = options.places or [results]
    if options.follow:
        mirror.follow(places, config.tracking, results)
    else:
        say(f"{mirror.sync(places, config.tracking, results)} runs brought up to date")


def schema(_: Options) -> None:
    """Print the JSON schema of the configuration.

    gof schema > workflow/schemas/config.schema.json
    """
    from gof.config import schema as text

    sys.stdout.write(text())


def check(options: Options) -> None:
    """Check a configuration.

    gof check --config config.yaml workflow/configs/smoke.yaml
    """
    config = _config(options)
    for name, model in config.models.items():
        stages = " > ".join(f"{stage.resolution} px, {stage.steps} steps" for stage in model.stages)
        print(f"{name}: {model.integrator}, {stages}")
    print("valid")


def _out(text: str) -> Option:
    return "--out", {"type": Path, "required": True, "help": text}


def _file(flag: str, text: str, required: bool = True) -> Option:
    return flag, {"type": Path, "required": required, "help": text}


def _choice(flag: str, choices: tuple[str, ...], text: str, default: str | None = None) -> Option:
    settings = {"choices": choices, "default": default, "required": default is None, "help": text}
    return flag, settings


CONFIG: Option = (
    "--config",
    {
        "nargs": "+",
        "default": ["config.yaml"],
        "help": "YAML files, later ones on top, or JSON text (default: config.yaml)",
    },
)
RECORDS: Option = ("records", {"type": Path, "nargs": "+", "help": "JSON records of jobs"})
MANIFEST = _file("--data", "manifest.json of the data set")
GENERATOR = _file("--generator", "generator.yaml of a trained stage")

VERBS: dict[str, tuple[Callable[[Options], None], list[Option]]] = {
    "download": (
        download,
        [
            _choice("--asset", ("head", "features"), "which asset"),
            _out("JSON to write: where the file lies, its hash, source and licence"),
        ],
    ),
    "head-model": (
        head_model,
        [
            CONFIG,
            _file("--asset", "JSON of `gof download --asset head`"),
            _out("head_model.npz to write; a JSON and a picture appear beside it"),
        ],
    ),
    "bfm": (
        bfm,
        [
            CONFIG,
            _file("--mat", "BFM_model_front.mat, or 01_MorphableModel.mat with its companions"),
            _out("model file to write (.npz); a JSON and a picture appear beside it"),
        ],
    ),
    "dataset": (
        dataset,
        [
            CONFIG,
            _file("--head-model", "head_model.npz of `gof head-model`"),
            _out("manifest.json to write; the images go beside it"),
        ],
    ),
    "prepare": (
        prepare,
        [
            CONFIG,
            _file("--images", "folder of photographs"),
            _choice("--on-bad", ("fail", "skip"), "skip leaves out up to 1 %% bad files", "fail"),
            _out("manifest.json to write; the images go beside it"),
        ],
    ),
    "landmarks": (
        landmarks,
        [
            CONFIG,
            MANIFEST,
            _file("--regressor", "regressor.yaml, where it is the source", required=False),
            _out("landmarks.json to write; shards and a picture appear beside it"),
        ],
    ),
    "fits": (
        fits,
        [
            CONFIG,
            MANIFEST,
            _file("--landmarks", "landmarks.json of `gof landmarks`"),
            _file("--head-model", "head_model.npz of `gof head-model`"),
            _out("JSON to write; fits, statistics.npz and a picture appear beside it"),
        ],
    ),
    "fit": (
        fit,
        [
            ("image", {"type": Path, "help": "a photograph of one face"}),
            CONFIG,
            _file("--head-model", "head_model.npz of `gof head-model`"),
            _file("--regressor", "regressor.yaml to find landmarks in a centred face", False),
            _out("folder to write"),
        ],
    ),
    "pool": (
        pool,
        [
            CONFIG,
            _file("--statistics", "statistics.npz of `gof fits`"),
            _file("--head-model", "head_model.npz of `gof head-model`"),
            _out("manifest.json to write; the renders go beside it"),
        ],
    ),
    "regressor": (
        regressor,
        [
            CONFIG,
            _choice("--name", ("teacher", "judge"), "which of `faces.regressors`"),
            MANIFEST,
            _file("--landmarks", "landmarks.json of `gof landmarks`"),
            _file("--fits", "fits.json of `gof fits`"),
            _file("--pool", "manifest.json of `gof pool`"),
            _file("--statistics", "statistics.npz of `gof fits`"),
            _file("--head-model", "head_model.npz of `gof head-model`"),
            _out("JSON to write; regressor.yaml and its weights appear beside it"),
        ],
    ),
    "train": (
        train,
        [
            CONFIG,
            ("--model", {"required": True, "help": "a name under `models`"}),
            ("--stage", {"type": int, "default": 0, "help": "number of the stage (default: 0)"}),
            ("--seed", {"type": int, "default": 0, "help": "training seed (default: 0)"}),
            MANIFEST,
            _file("--previous", "state.safetensors of the stage before", required=False),
            _file("--pool", "manifest of `gof pool`, for a conditional model", required=False),
            _file("--statistics", "statistics.npz of `gof fits`, likewise", required=False),
            _file("--regressor", "regressor.yaml of the teacher, likewise", required=False),
            _choice("--device", ("auto", "cpu", "cuda"), "default: auto", "auto"),
            (
                "--processes",
                {"type": int, "default": 1, "help": "that train together (default: 1)"},
            ),
            _out("folder to write"),
        ],
    ),
    "samples": (
        samples,
        [CONFIG, GENERATOR, _out("samples.json to write; pictures appear beside it")],
    ),
    "mesh": (mesh, [CONFIG, GENERATOR, _out("meshes.json to write; meshes appear beside it")]),
    "evaluate": (
        evaluate,
        [
            CONFIG,
            _choice("--metric", METRICS, "what to measure"),
            MANIFEST,
            _file("--generator", "generator.yaml of a trained stage", required=False),
            ("--reference", {"action": "store_true", "help": "measure known answers instead"}),
            _file("--untrained", "generator.yaml of an untrained generator", required=False),
            _file("--features", "JSON of `gof download --asset features`", required=False),
            _file("--head-model", "head_model.npz, for metrics of control", required=False),
            _file("--statistics", "statistics.npz of `gof fits`, likewise", required=False),
            _file("--judge", "regressor.yaml of the judge, likewise", required=False),
            _file("--floor", "unconditional generator.yaml, for their references", required=False),
            _out("JSON to write"),
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
            _file("--head-model", "head_model.npz: names of components, the mesh too", False),
            _file("--statistics", "statistics.npz of `gof fits`, likewise", False),
            _out("picture to write: .png, .gif or .mp4; a record appears beside it"),
        ],
    ),
    "show-control": (
        show_control,
        [
            CONFIG,
            GENERATOR,
            _file("--head-model", "head_model.npz of `gof head-model`"),
            _file("--statistics", "statistics.npz of `gof fits`"),
            _out("control.json to write; pictures appear beside it"),
        ],
    ),
    "tables": (
        tables,
        [CONFIG, RECORDS, _file("--published", "published numbers, YAML"), _out("folder to write")],
    ),
    "figures": (figures, [CONFIG, RECORDS, _out("folder to write")]),
    "readme": (
        readme,
        [
            ("--results", {"type": Path, "default": Path("results"), "help": "a finished run"}),
            ("--readme", {"type": Path, "default": Path("README.md"), "help": "file to change"}),
        ],
    ),
    "sync": (
        sync,
        [
            CONFIG,
            ("places", {"type": Path, "nargs": "*", "help": "folders (default: the results)"}),
            ("--follow", {"action": "store_true", "help": "go on until the standard input ends"}),
        ],
    ),
    "schema": (schema, []),
    "check": (check, [CONFIG]),
}
