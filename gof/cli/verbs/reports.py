"""Verbs that tell what was found, from records alone."""

from __future__ import annotations

from gof.cli.registry import Verb

VERBS = (
    Verb(
        name="tables",
        summary="Write the tables from the records of jobs.",
        example=(
            "gof tables --published workflow/paper/published.yaml --out tables "
            "results/heads/*/seed0/metrics/*.json"
        ),
        group="reports",
        job="gof.report.jobs:TablesJob",
        run="gof.report.tables:run_tables",
        needs="experiment",
    ),
    Verb(
        name="figures",
        summary="Draw the figures from the records of jobs.",
        example="gof figures --out figures results/heads/*/seed0/stage*/stage.json",
        group="reports",
        job="gof.report.jobs:FiguresJob",
        run="gof.report.figures:run_figures",
        needs="experiment",
    ),
    Verb(
        name="compare",
        summary="Show the numbers and sample sheets of runs side by side.",
        example="gof compare results results-night --out compare.html",
        group="reports",
        job="gof.report.jobs:CompareJob",
        run="gof.report.compare:run_compare",
        needs="nothing",
    ),
    Verb(
        name="check-results",
        summary="Tell whether a run's numbers lie where those of several trainings did.",
        example="gof check-results --results results",
        group="reports",
        job="gof.report.jobs:CheckResultsJob",
        run="gof.report.expected:run_check_results",
        needs="nothing",
    ),
    Verb(
        name="readme",
        summary="Write the generated blocks of the README from a finished run.",
        example="gof readme --results results",
        group="reports",
        job="gof.report.jobs:ReadmeJob",
        run="gof.report.readme:run_readme",
        needs="nothing",
    ),
)
