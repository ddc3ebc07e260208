"""Tracking."""

from __future__ import annotations

from pydantic import Field

from gof.config.section import (
    NonNegative,
    Section,
)


class Tracking(Section):
    """MLflow mirrors what the JSON files hold. The environment variable MLFLOW_TRACKING_URI wins
    over `uri`."""

    enabled: bool = True
    uri: str | None = Field(
        None, description="server or database; default: sqlite inside the results folder"
    )
    experiment: str = "gof"
    wait_s: NonNegative = Field(
        10.0, description="longest time the end of a run waits for the tracker, seconds"
    )
