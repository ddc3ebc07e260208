"""The experiment. `config.yaml` and the files in `workflow/configs` hold only values; what they may
hold stands in the `settings` of each room."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import Field, SerializeAsAny, ValidationError, model_validator

from gof.conditioning.settings import PoolSettings
from gof.config.choice import OneOf
from gof.config.errors import ConfigError
from gof.config.reading import INLINE, merged, read, sensible
from gof.config.section import Name, Section, Seed
from gof.data.settings import DataSet
from gof.experiment.inheritance import resolved
from gof.experiment.model import Model
from gof.fitting.settings import Fit, LandmarkSettings
from gof.geometry.settings import Camera
from gof.metrics.settings import Metrics
from gof.pictures.settings import Samples
from gof.readers.settings import Regressors
from gof.run.settings import Tracking
from gof.shapes.settings import MeshSettings
from gof.sources.registry import SOURCES
from gof.training.settings import Runtime

# Sections that change no result: they are no part of what a stage depends on, and a rule does not
# rerun for them.
RUNTIME_SECTIONS = {"runtime", "tracking", "pathvars", "track_code"}
# Names of folders beside those of data sets, and of models within a data set's.
TAKEN = {
    "datasets": {"assets", "figures", "logs", "mlflow", "tables"},
    "models": {"data", "faces", "model", "reference"},
}
Reasons = dict[str, dict[str, dict[str, str]]]  # data set, table, columns: why
Kind = TypeVar("Kind", bound=DataSet)


def _sections() -> dict[str, type[DataSet]]:
    return {name: source.section for name, source in SOURCES.all().items()}


class FaceSections(Section):
    """Everything about faces that is not a generator."""

    landmarks: LandmarkSettings = LandmarkSettings()
    fit: Fit = Fit()
    pool: PoolSettings = PoolSettings()
    regressors: Regressors = Regressors()


class Config(Section):
    """The whole experiment."""

    pathvars: dict[str, str] = Field(
        {}, description="Snakemake path variables; `results` moves everything a run writes"
    )
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = Field(
        (0,), description="training seeds"
    )
    datasets: dict[Name, Annotated[DataSet, OneOf("source", _sections)]] = Field(
        {}, description="data sets by name; `source` decides on other settings; null removes one"
    )
    faces: FaceSections = FaceSections()
    common: dict[str, Any] = Field(
        {}, description="what all models share: settings of a model that each may override"
    )
    models: dict[Name, Model] = Field(
        {},
        description="generators to train and compare, by name; `extends: NAME` takes over the"
        " settings of another, null takes one away",
    )
    runtime: Runtime = Runtime()
    samples: Samples = Samples()
    meshes: MeshSettings = MeshSettings()
    metrics: SerializeAsAny[Metrics] = Field(default_factory=lambda: Metrics.model_validate({}))
    tracking: Tracking = Tracking()
    track_code: bool = Field(True, description="rerun a stage when the code it uses changes")
    note: str = Field("", max_length=500, description="a line put on every table and figure")
    reasons: Reasons = Field(
        {}, description="what tables lack, and why; the workflow sets it for `gof tables`"
    )

    @model_validator(mode="before")
    @classmethod
    def _inherited(cls, values: Any) -> Any:
        return resolved(values) if isinstance(values, dict) else values

    @model_validator(mode="after")
    def _named_well(self) -> Config:
        for section, taken in TAKEN.items():
            if odd := taken & set(getattr(self, section)):
                raise ValueError(f"{section}: {min(odd)!r} is the name of a folder: choose another")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds: one stands twice in {list(self.seeds)}")
        for name, dataset in self.datasets.items():
            if unknown := set(dataset.models or ()) - set(self.models):
                known = ", ".join(self.models) or "none"
                raise ValueError(f"datasets.{name}.models: no {min(unknown)!r}; there are {known}")
        return self

    @model_validator(mode="after")
    def _pool_serves_the_stages(self) -> Config:
        if not self.datasets and "faces" not in self.model_fields_set:
            return self  # what a rule passes on
        for name, model in self.models.items():
            needed = {stage.resolution for stage in model.stages} if model.conditions else set()
            if missing := needed - set(self.faces.pool.resolutions):
                sizes = ", ".join(map(str, sorted(missing)))
                raise ValueError(f"faces.pool.resolutions lacks {sizes}, a size of models.{name}")
        return self

    @model_validator(mode="after")
    def _images_serve_the_stages(self) -> Config:
        for name, dataset in self.datasets.items():
            for model in self.models_on(name):
                for size in {stage.resolution for stage in self.models[model].stages}:
                    if all(stored % size for stored in dataset.resolutions):
                        raise ValueError(
                            f"datasets.{name}.resolutions: none is a multiple of {size}, a size"
                            f" of models.{model}"
                        )
        return self

    @classmethod
    def parse(cls, values: dict[str, Any], source: str = "config") -> Config:
        """Validate a mapping. Raises ConfigError: one line that names source and key."""
        try:
            return cls.model_validate(sensible(values))
        except ValidationError as error:
            raise ConfigError(f"{source}: {_first(error)}") from None
        except ConfigError as error:
            raise ConfigError(f"{source}: {error}") from None

    @classmethod
    def load(cls, *sources: str) -> Config:
        """Read YAML files, or JSON texts that start with a brace; what a later one sets wins.
        Raises ConfigError."""
        values: dict[str, Any] = {}
        for source in sources:
            values = merged(values, read(source))
        named = [INLINE if source.lstrip().startswith("{") else source for source in sources]
        return cls.parse(values, " + ".join(named))

    @property
    def camera(self) -> Camera:
        """That of the first data set, for what belongs to none."""
        return next((dataset.camera for dataset in self.datasets.values()), Camera())

    def dataset(self, name: str, kind: type[Kind]) -> Kind:
        """A data set of one kind. Raises ConfigError naming those there are."""
        own = {key: value for key, value in self.datasets.items() if isinstance(value, kind)}
        if name not in own:
            known = ", ".join(own) or "none"
            raise ConfigError(f"datasets: no {name!r} of the kind needed; there are: {known}")
        return own[name]

    def offers(self, dataset: str) -> set[str]:
        """What a data set offers (`gof.data.settings.OFFERS`), or is found in its images."""
        own = self.datasets[dataset]
        return {*SOURCES[own.source].offers, *own.found}

    def models_on(self, dataset: str) -> list[str]:
        """Models that are trained on a data set: those it names, else all that need no more than
        it offers."""
        own = self.datasets[dataset]
        offered = self.offers(dataset)
        return [
            name
            for name, model in self.models.items()
            if model.needs <= offered and (own.models is None or name in own.models)
        ]

    def only(self, *sections: str) -> str:
        """JSON of these sections alone: what a rule passes on, so that it reruns for nothing
        else."""
        return self.model_dump_json(include=set(sections))

    def largest(self) -> int | None:
        """The largest size of the models' last stages, at which references are measured; None
        without models."""
        return max((model.stages[-1].resolution for model in self.models.values()), default=None)

    def upto(self, model: str, stage: int) -> Config:
        """This, of all models with one alone, without its later stages."""
        return self.model_copy(update={"models": {model: self.models[model].upto(stage)}})

    def runtime_only(self) -> str:
        """JSON of the sections that change no result, for the environment of jobs."""
        return self.model_dump_json(include=RUNTIME_SECTIONS)

    def with_runtime(self, other: Config) -> Config:
        """This configuration, with the runtime sections that it does not set taken from another."""
        absent = RUNTIME_SECTIONS - self.model_fields_set
        return self.model_copy(update={name: getattr(other, name) for name in absent})

    def told(self, section: str, options: object, *names: str) -> Config:
        """This, with what some options of a call say about a section, by the names that both have;
        those that are None say nothing. Raises ConfigError naming the option."""
        own, values = getattr(self, section), ((name, getattr(options, name)) for name in names)
        said = {name: value for name, value in values if value is not None}
        try:
            changed = type(own).model_validate(own.model_dump(exclude_unset=True) | said)
        except ValidationError as error:
            raise ConfigError(f"--{_first(error)}") from None
        return self.model_copy(update={section: changed}) if said else self

    def scoped(self, chosen: str) -> Config:
        """What a job depends on, as JSON of `only` and the like, as the job's configuration: a
        call by hand then tells no more than a rule's."""
        return Config.load(chosen).with_runtime(self)


def _first(error: ValidationError) -> str:
    """The first thing that is wrong: key, what, and what was given."""
    first = error.errors()[0]
    # Keys may be any text: what is no name is shown as it is written in code.
    parts = [str(part) for part in first["loc"] if part != "[key]"]
    key = ".".join(part if part.isprintable() else repr(part) for part in parts)
    given = "" if isinstance(first["input"], dict) else f", got {first['input']!r}"
    what = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        what = "unknown key"
    return f"{key}: {what}{given}" if key else what
