"""The verb that trains."""

from __future__ import annotations

from gof.cli.registry import Verb

VERBS = (
    Verb(
        name="train",
        summary="Train one stage of a model; called again after an interruption, it goes on.",
        example=(
            "gof train --model gof --stage 0 --data results/heads/data/manifest.json --out "
            "run/stage0"
        ),
        group="training",
        job="gof.conditioning.jobs:TrainJob",
        run="gof.conditioning.train:run_train",
        needs="experiment",
    ),
)
