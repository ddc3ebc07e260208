"""The experiment. `config.yaml` and the files in `workflow/configs` hold only values; what they may
hold stands in the `settings` of each room. The JSON schema is written from these models."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import Field, SerializeAsAny, ValidationError, field_validator, model_validator

from gof.conditioning.settings import Pool
from gof.config.reading import ConfigError, merged, read
from gof.config.section import Section
from gof.experiment.model import Model
from gof.fitting.settings import Fit, Landmarks
from gof.geometry.settings import Camera
from gof.heads.settings import Heads
from gof.metrics.registry import metric_of
from gof.metrics.settings import Metrics
from gof.pictures.settings import Samples
from gof.readers.settings import Regressors
from gof.run.settings import Tracking
from gof.shapes.settings import Meshes
from gof.training.settings import Runtime, Training

# Sections that change no result: they are no part of what a stage depends on, and a rule does not
# rerun for them.
RUNTIME_SECTIONS = {"runtime", "tracking", "pathvars", "track_code"}


# What an untrained network depends on.
UNTRAINED: dict[str, Any] = {"training": {"field", "truncation_latents"}}


class Faces(Section):
    """Everything about faces that is not a generator."""

    landmarks: Landmarks = Landmarks()
    fit: Fit = Fit()
    pool: Pool = Pool()
    regressors: Regressors = Regressors()


class Config(Section):
    """The whole experiment."""

    pathvars: dict[str, str] = Field(
        {}, description="Snakemake path variables; `results` moves everything a run writes"
    )
    seeds: Annotated[tuple[int, ...], Field(min_length=1)] = Field(
        (0,), description="training seeds"
    )
    camera: Camera = Camera()
    heads: Heads = Heads()
    faces: Faces = Faces()
    models: dict[str, Model] = Field(
        {}, description="generators to train and compare, by name; null takes one away"
    )
    training: Training = Training()
    runtime: Runtime = Runtime()
    samples: Samples = Samples()
    meshes: Meshes = Meshes()
    metrics: SerializeAsAny[Metrics] = Field(default_factory=lambda: Metrics.model_validate({}))
    tracking: Tracking = Tracking()
    track_code: bool = Field(True, description="rerun a stage when the code it uses changes")
    note: str = Field("", description="a line put on every table and figure")
    reasons: dict[str, dict[str, str]] = Field(
        {}, description="of a table: what it lacks, and why; the workflow sets it for `gof tables`"
    )

    @field_validator("models", mode="before")
    @classmethod
    def _without_nulls(cls, models: Any) -> Any:
        if not isinstance(models, dict):
            return models
        return {name: model for name, model in models.items() if model is not None}

    @model_validator(mode="after")
    def _pool_serves_the_stages(self) -> Config:
        if "faces" not in self.model_fields_set:  # what a rule passes on, or all defaults
            return self
        for name, model in self.models.items():
            needed = {stage.resolution for stage in model.stages} if model.conditions else set()
            if missing := needed - set(self.faces.pool.resolutions):
                sizes = ", ".join(map(str, sorted(missing)))
                raise ValueError(f"faces.pool.resolutions lacks {sizes}, a size of models.{name}")
        return self

    @model_validator(mode="after")
    def _micro_batches_fall_into_groups(self) -> Config:
        network = self.training.discriminator
        for name, model in self.models.items():
            for number, stage in enumerate(model.stages):
                if stage.objective == "adversarial" and not network.takes(stage.micro_batch):
                    raise ValueError(
                        f"models.{name}.stages.{number}.micro_batch ({stage.micro_batch}) must be a"
                        f" multiple of training.discriminator.stddev_group"
                        f" ({network.stddev_group}), or smaller"
                    )
        return self

    @classmethod
    def parse(cls, values: dict[str, Any], source: str = "config") -> Config:
        """Validate a mapping. Raises ConfigError: one line that names source and key."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"]) or "(top level)"
            given = "" if isinstance(first["input"], dict) else f", got {first['input']!r}"
            what = "unknown key" if first["type"] == "extra_forbidden" else first["msg"]
            raise ConfigError(f"{source}: {key}: {what}{given}") from None

    @classmethod
    def load(cls, *sources: str) -> Config:
        """Read YAML files, or JSON texts that start with a brace; what a later one sets wins.
        Raises ConfigError."""
        values: dict[str, Any] = {}
        for source in sources:
            values = merged(values, read(source))
        named = ["--config" if source.lstrip().startswith("{") else source for source in sources]
        return cls.parse(values, " + ".join(named))

    def only(self, *sections: str) -> str:
        """JSON of these sections alone: what a rule passes on, so that it reruns for nothing
        else."""
        return self.model_dump_json(include=set(sections))

    def for_head_model(self) -> str:
        """JSON of what the head model depends on: not how many images are rendered from it."""
        chosen = {"identity_components", "identities_for_pca", "seed"}
        return self.model_dump_json(include={"heads": chosen})

    def for_faces(self, part: str) -> str:
        """JSON of what one step of the face pipeline depends on: its own part of `faces`, the
        camera and the background."""
        return self.model_dump_json(
            include={"faces": {part}, "camera": True, "heads": {"background"}}
        )

    def for_regressor(self, name: str) -> str:
        """JSON of what one face regressor depends on: its own section."""
        return self.model_dump_json(include={"faces": {"regressors": {name}}})

    def for_tables(self, reasons: dict[str, dict[str, str]]) -> str:
        """JSON of what the tables say besides numbers: the note, and reasons for what of a table
        was not measured."""
        return self.model_copy(update={"reasons": reasons}).only("note", "reasons")

    def largest(self) -> int | None:
        """The largest size of the models' last stages, at which references are measured; None
        without models."""
        sizes = [model.stages[-1].resolution for model in self.models.values()]
        return max(sizes, default=None)

    def for_metric(self, metric: str, model: str | None = None) -> str:
        """JSON of what a metric of a model depends on, or with None of its references: its section
        and the evaluation seeds, with the sizes that follow the model's. Raises ConfigError."""
        how = metric_of(metric)
        parts = {metric, "views"} if how.subject == "views" else {metric}
        fresh = model is None and how.subject == "generator" and not how.conditional
        return self._measured(metric, model).model_dump_json(
            include={"metrics": {"seeds", *parts}} | (UNTRAINED if fresh else {})
        )

    def for_views(self, model: str | None = None) -> str:
        """JSON of what the views of a model depend on, or with None those of an untrained one.
        Raises ConfigError."""
        # a metric has camera and background from its data set
        place: dict[str, Any] = {"camera": True, "heads": {"background"}}
        return self._measured(None, model).model_dump_json(
            include={"metrics": {"seeds", "views"}} | (UNTRAINED | place if model is None else {})
        )

    def _measured(self, metric: str | None, model: str | None) -> Config:
        size = self.largest() if model is None else self.models[model].stages[-1].resolution
        metrics = self.metrics.at(metric, size, self.heads.resolutions)
        return self.model_copy(update={"metrics": metrics})

    def runtime_only(self) -> str:
        """JSON of the sections that change no result, for the environment of jobs."""
        return self.model_dump_json(include=RUNTIME_SECTIONS)

    def with_runtime(self, other: Config) -> Config:
        """This configuration, with the runtime sections that it does not set taken from another."""
        absent = RUNTIME_SECTIONS - self.model_fields_set
        return self.model_copy(update={name: getattr(other, name) for name in absent})

    def scoped(self, chosen: str) -> Config:
        """What a job depends on, as JSON of `only` and the like, as the job's configuration: a
        call by hand then tells no more than a rule's."""
        return Config.load(chosen).with_runtime(self)

    def for_stage(self, model: str, stage: int) -> str:
        """JSON of what determines stage number `stage` of `model`: later stages and other models
        are left out."""
        chosen = self.models[model]
        upto = chosen.model_copy(
            update={
                "stages": chosen.stages[: stage + 1],
                "conditions": chosen.conditions and chosen.conditions.upto(stage),
            }
        )
        trimmed = self.model_copy(update={"models": {model: upto}})
        return trimmed.only("camera", "models", "training")


def schema() -> str:
    """JSON schema of the configuration, as `workflow/schemas/config.schema.json` holds it."""
    return json.dumps(Config.model_json_schema(), indent=2) + "\n"
