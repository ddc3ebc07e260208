"""Verbs that make data sets."""

from __future__ import annotations

from gof.cli.registry import Verb

VERBS = (
    Verb(
        name="download",
        summary="Fetch an asset and check its hash.",
        example="gof download --asset head --out results/assets/head_asset.json",
        group="data",
        job="gof.data.jobs:DownloadJob",
        run="gof.data.download:run_download",
        needs="nothing",
    ),
    Verb(
        name="dataset",
        summary="Render the data set `heads`.",
        example=(
            "gof dataset --head-model results/heads/model/head_model.npz --out results/heads/data/"
        ),
        group="data",
        job="gof.heads.jobs:DatasetJob",
        run="gof.heads.render:run_dataset",
        needs="experiment",
    ),
    Verb(
        name="prepare",
        summary="Make a data set from a folder of photographs.",
        example="gof prepare --images photographs/ --on-bad skip --out results/mine/data/",
        group="data",
        job="gof.data.jobs:PrepareJob",
        run="gof.data.photographs:run_prepare",
    ),
)
