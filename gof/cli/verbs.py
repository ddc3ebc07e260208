"""The verbs of the command line: for each a function whose docstring is its help and example, and
its options.

What a verb needs is imported inside its function, so that `gof --help` does not wait for torch.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

from gof.cli.face_verbs import FACE_VERBS
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
from gof.cli.report_verbs import REPORT_VERBS

SUBJECT = [
    file("--generator", "generator.yaml of a trained stage", required=False),
    (
        "--reference",
        {"action": "store_true", "help": "known answers instead, or views before training"},
    ),
    file("--untrained", "generator.yaml of an untrained generator", required=False),
]


def download(options: Options) -> None:
    """Fetch an asset and check its hash.

    gof download --asset head --out results/assets/head_asset.json
    """
    from gof.data.download import run_download

    run_download(options.asset, options.out)


def dataset(options: Options) -> None:
    """Make a data set of the configuration.

    gof dataset --name heads --head-model results/heads/model/head_model.npz --out
    results/heads/data/manifest.json
    """
    from gof.sources.make import make

    given = {"head_model": options.head_model} if options.head_model else {}
    make(configuration(options), options.name, given, options.out)


def prepare(options: Options) -> None:
    """Make a data set from a folder of photographs.

    gof prepare --images photographs/ --on-bad skip --out results/mine/data/manifest.json
    """
    from gof.sources.make import prepare_folder

    prepare_folder(configuration(options), options.images, options.out, options.on_bad)


def train(options: Options) -> None:
    """Train one stage of a model; called again after an interruption, it goes on where it was.

    gof train --model gof --stage 0 --data results/heads/data/manifest.json --out run/stage0
    """
    if options.processes > 1 and "RANK" not in os.environ:
        _become_torchrun(options.processes)
    from gof.conditioning.conditioner import FaceFiles
    from gof.run.files import InputError
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
        device=options.device,
    )
    run_stage(configuration(options), wanted, FaceFiles(*files) if all(files) else None)


def _become_torchrun(processes: int) -> NoReturn:
    """Replace this process by torchrun, which starts this very call in several processes."""
    launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    os.execv(sys.executable, [sys.executable, *launch, "-m", "gof", *sys.argv[1:]])


def samples(options: Options) -> None:
    """Draw a sheet of samples and a turntable.

    gof samples --generator run/stage1/generator.yaml --out run/samples/samples.json
    """
    from gof.pictures.views import run_samples

    run_samples(configuration(options), options.generator, options.out)


def mesh(options: Options) -> None:
    """Extract meshes and write a page to turn them in a browser.

    gof mesh --generator run/stage1/generator.yaml --out run/meshes/meshes.json
    """
    from gof.shapes.marching import run_meshes

    run_meshes(configuration(options), options.generator, options.out)


def views(options: Options) -> None:
    """Render images and depth that some metrics look at, of a generator or of an untrained one.

    gof views --generator generator.yaml --out views/manifest.json
    """
    from gof.metrics.views import ViewsJob, run_views

    wanted = ViewsJob(
        options.out, options.generator, options.reference, options.data, options.untrained
    )
    run_views(configuration(options), wanted)


def evaluate(options: Options) -> None:
    """Measure a generator, or what a metric gives for known answers (--reference).

    gof evaluate --metric surface --data manifest.json --generator generator.yaml --out surface.json
    """
    from gof.metrics.evaluate import EvaluateJob, run_evaluate

    wanted = EvaluateJob(
        metric=options.metric,
        data=options.data,
        out=options.out,
        generator=options.generator,
        views=options.views,
        reference=options.reference,
        untrained=options.untrained,
        features=options.features,
        head_model=options.head_model,
        statistics=options.statistics,
        judge=options.judge,
        floor=options.floor,
    )
    run_evaluate(configuration(options), wanted)


def sync(options: Options) -> None:
    """Copy what MLflow does not have yet into it.

    MLFLOW_TRACKING_URI=http://localhost:5000 gof sync
    """
    from gof.run import mirror
    from gof.run.files import say

    config = configuration(options)
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
    from gof.experiment.config import schema as text

    sys.stdout.write(text())


def check(options: Options) -> None:
    """Check a configuration.

    gof check --config config.yaml workflow/configs/smoke.yaml
    """
    config = configuration(options)
    for name, model in config.models.items():
        stages = " > ".join(f"{stage.resolution} px, {stage.steps} steps" for stage in model.stages)
        print(f"{name}: {model.integrator}, {stages}")
    print("valid")


VERBS: Verbs = (
    {
        "download": (
            download,
            [
                choice("--asset", ("head", "features"), "which asset"),
                out("JSON to write: where the file lies, its hash, source and licence"),
            ],
        ),
        "dataset": (
            dataset,
            [
                CONFIG,
                ("--name", {"required": True, "help": "a name under `datasets`"}),
                file("--head-model", "head_model.npz of `gof head-model`, for heads", False),
                out("manifest.json to write; the images go beside it"),
            ],
        ),
        "prepare": (
            prepare,
            [
                CONFIG,
                file("--images", "folder of photographs"),
                choice(
                    "--on-bad", ("fail", "skip"), "skip leaves out up to 1 %% bad files", "fail"
                ),
                out("manifest.json to write; the images go beside it"),
            ],
        ),
        "train": (
            train,
            [
                CONFIG,
                ("--model", {"required": True, "help": "a name under `models`"}),
                (
                    "--stage",
                    {"type": int, "default": 0, "help": "number of the stage (default: 0)"},
                ),
                ("--seed", {"type": int, "default": 0, "help": "training seed (default: 0)"}),
                MANIFEST,
                file("--previous", "state.safetensors of the stage before", required=False),
                file("--pool", "manifest of `gof pool`, for a conditional model", required=False),
                file("--statistics", "statistics.npz of `gof fits`, likewise", required=False),
                file("--regressor", "regressor.yaml of the teacher, likewise", required=False),
                choice("--device", ("auto", "cpu", "cuda"), "default: auto", "auto"),
                (
                    "--processes",
                    {"type": int, "default": 1, "help": "that train together (default: 1)"},
                ),
                out("folder to write"),
            ],
        ),
        "samples": (
            samples,
            [CONFIG, GENERATOR, out("samples.json to write; pictures appear beside it")],
        ),
        "mesh": (mesh, [CONFIG, GENERATOR, out("meshes.json to write; meshes appear beside it")]),
        "views": (
            views,
            [
                CONFIG,
                *SUBJECT,
                file("--data", "data set whose camera an untrained generator has", False),
                out("manifest.json to write; the views go beside it"),
            ],
        ),
        "evaluate": (
            evaluate,
            [
                CONFIG,
                (
                    "--metric",
                    {"required": True, "help": "what to measure: a section of `metrics`"},
                ),
                MANIFEST,
                *SUBJECT,
                file("--views", "manifest of `gof views`, for metrics of images", required=False),
                file("--features", "JSON of `gof download --asset features`", required=False),
                file("--head-model", "head_model.npz, for metrics of control", required=False),
                file("--statistics", "statistics.npz of `gof fits`, likewise", required=False),
                file("--judge", "regressor.yaml of the judge, likewise", required=False),
                file(
                    "--floor", "unconditional generator.yaml, for their references", required=False
                ),
                out("JSON to write"),
            ],
        ),
        "sync": (
            sync,
            [
                CONFIG,
                ("places", {"type": Path, "nargs": "*", "help": "folders (default: the results)"}),
                (
                    "--follow",
                    {"action": "store_true", "help": "go on until the standard input ends"},
                ),
            ],
        ),
        "schema": (schema, []),
        "check": (check, [CONFIG]),
    }
    | REPORT_VERBS
    | FACE_VERBS
)
