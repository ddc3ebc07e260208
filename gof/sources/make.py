"""Makes data sets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gof.config.errors import ConfigError
from gof.data.settings import Photographs
from gof.data.source import Making
from gof.run.files import InputError, read_json
from gof.run.target import placed
from gof.sources.jobs import DatasetJob, PrepareJob
from gof.sources.registry import SOURCES

if TYPE_CHECKING:
    from gof.experiment.config import Config


def make(
    config: Config,
    name: str,
    inputs: Mapping[str, Path],
    out: Path,
    assets: Iterable[Path] = (),
) -> None:
    """Make the data set `name` of a configuration; `out` is its manifest. inputs: what its source
    takes from other steps; assets: records of downloads. Raises ConfigError for a data set that
    there is not, and InputError where something that its source takes is missing."""
    if name not in config.datasets:
        known = ", ".join(config.datasets) or "none"
        raise ConfigError(f"datasets: no data set named {name!r}; known: {known}")
    settings = config.datasets[name]
    source = SOURCES[settings.source]
    for needed in source.inputs:
        if needed not in inputs:
            option = f"--{needed.replace('_', '-')}"
            raise InputError(f"{option}: needed for a data set of {settings.source}")
    records = {str(read_json(path).get("name")): path for path in assets}
    for asset in source.assets(settings):
        if asset not in records:
            raise InputError(
                f"--assets: a data set of {settings.source} needs {asset}: "
                f"`gof download --asset {asset} --out {asset}.json`, then --assets {asset}.json"
            )
    source.make(Making(name, settings, out, inputs, config, records))


def run_dataset(config: Config, wanted: DatasetJob) -> None:
    """Make a data set of the configuration; see `make`."""
    inputs = {"head_model": wanted.head_model} if wanted.head_model else {}
    make(config, wanted.name, inputs, placed(wanted.out, "manifest.json"), wanted.assets)


def run_prepare(config: Config, wanted: PrepareJob) -> None:
    """Make a data set of a folder of photographs, with the settings of the configuration's first
    data set of photographs, if it has one."""
    own = [one for one in config.datasets.values() if isinstance(one, Photographs)]
    settings = own[0] if own else Photographs(folder=str(wanted.images))
    changes: dict[str, object] = {"folder": str(wanted.images), "on_bad": wanted.on_bad}
    if wanted.align:
        changes |= {"align": wanted.align, "faces": True, "prior": "estimated"}
    name, out = wanted.images.resolve().name, placed(wanted.out, "manifest.json")
    changed = settings.model_copy(update=changes)
    SOURCES["photographs"].make(Making(name, changed, out, {}, config))
