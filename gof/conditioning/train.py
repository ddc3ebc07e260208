"""Trains a stage of any model: a conditional one gets its conditioner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gof.conditioning.conditioner import FaceFiles
from gof.conditioning.jobs import TrainJob
from gof.run.files import InputError
from gof.training.stage import run_stage

if TYPE_CHECKING:
    from gof.experiment.config import Config


def run_train(config: Config, wanted: TrainJob) -> None:
    """Train one stage; see `gof.training.stage.run_stage`. Raises InputError for some of a
    conditioner's files without the others."""
    loader, files = None, (wanted.pool, wanted.statistics, wanted.regressor)
    if wanted.pool and wanted.statistics and wanted.regressor:
        loader = FaceFiles(wanted.pool, wanted.statistics, wanted.regressor)
    elif any(files):
        raise InputError("gof train: --pool, --statistics and --regressor go together")
    run_stage(config, wanted, loader)
