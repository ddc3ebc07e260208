"""Verbs about an experiment as such."""

from __future__ import annotations

from gof.cli.registry import Verb

VERBS = (
    Verb(
        name="check",
        summary="Check a configuration.",
        example="gof check --config config.yaml workflow/configs/smoke.yaml",
        group="upkeep",
        job="gof.cli.upkeep:CheckJob",
        run="gof.cli.upkeep:run_check",
        needs="experiment",
    ),
    Verb(
        name="schema",
        summary="Print the JSON schema of the configuration.",
        example="gof schema > workflow/schemas/config.schema.json",
        group="upkeep",
        job="gof.cli.upkeep:SchemaJob",
        run="gof.cli.upkeep:run_schema",
        needs="nothing",
    ),
    Verb(
        name="sync",
        summary="Copy what MLflow does not have yet into it.",
        example="MLFLOW_TRACKING_URI=http://localhost:5000 gof sync",
        group="upkeep",
        job="gof.cli.upkeep:SyncJob",
        run="gof.cli.upkeep:run_sync",
    ),
    Verb(
        name="completion",
        summary="Print what a shell needs to complete calls.",
        example="gof completion --shell bash > gof.bash",
        group="upkeep",
        job="gof.cli.completion:CompletionJob",
        run="gof.cli.completion:run_completion",
        needs="nothing",
    ),
)
