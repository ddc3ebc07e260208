"""Verbs that measure generators."""

from __future__ import annotations

from gof.cli.registry import Verb

VERBS = (
    Verb(
        name="views",
        summary="Render the images and depth that frechet and depth look at.",
        example="gof views --generator generator.yaml --out views/",
        group="measuring",
        job="gof.metrics.jobs:ViewsJob",
        run="gof.metrics.views:run_views",
    ),
    Verb(
        name="evaluate",
        summary="Measure a generator, or what a metric gives for known answers (--reference).",
        example=(
            "gof evaluate --metric surface --data manifest.json --generator generator.yaml "
            "--out surface.json"
        ),
        group="measuring",
        job="gof.metrics.jobs:EvaluateJob",
        run="gof.metrics.evaluate:run_evaluate",
    ),
    Verb(
        name="bench",
        summary="Measure what the parts cost, beside the most this machine can do.",
        example="gof bench --rows field-large,mesh-256",
        group="measuring",
        job="gof.bench.jobs:BenchJob",
        run="gof.bench.run:run_bench",
    ),
    Verb(
        name="costs",
        summary="Say what the trainings of a configuration would take on GPUs.",
        example="gof costs --config config.yaml workflow/configs/paper-bfm.yaml --gpus 1 8",
        group="measuring",
        job="gof.bench.jobs:CostsJob",
        run="gof.bench.costs:run_costs",
        needs="experiment",
    ),
)
