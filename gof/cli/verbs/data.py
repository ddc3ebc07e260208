"""Verbs that make data sets."""

from __future__ import annotations

from gof.cli.registry import Verb

VERBS = (
    Verb(
        name="download",
        summary="Fetch an asset and check its hash.",
        example="gof download --asset head --out results/assets/head.json",
        group="data",
        job="gof.data.jobs:DownloadJob",
        run="gof.data.download:run_download",
        needs="nothing",
    ),
    Verb(
        name="dataset",
        summary="Make a data set of the configuration.",
        example=(
            "gof dataset --name heads --head-model results/heads/model/head_model.npz "
            "--out results/heads/data/"
        ),
        group="data",
        job="gof.sources.jobs:DatasetJob",
        run="gof.sources.make:run_dataset",
        needs="experiment",
    ),
    Verb(
        name="prepare",
        summary="Make a data set from a folder of photographs.",
        example="gof prepare --images photographs/ --on-bad skip --out results/mine/data/",
        group="data",
        job="gof.sources.jobs:PrepareJob",
        run="gof.sources.make:run_prepare",
    ),
    Verb(
        name="check-data",
        summary="Say what a data set holds, and which camera fits it.",
        example="gof check-data results/heads/data/manifest.json",
        group="data",
        job="gof.fitting.jobs:CheckDataJob",
        run="gof.fitting.inspection:run_check_data",
        needs="nothing",
    ),
)
