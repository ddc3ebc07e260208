"""The experiment. `config.yaml` and the files in `workflow/configs` hold only values; what they may
hold stands in the `settings` of each room. The JSON schema is written from these models."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator, model_validator

from gof.conditioning.settings import Pool
from gof.config.reading import ConfigError, merged, read
from gof.config.section import Section
from gof.experiment.model import Model
from gof.fitting.settings import Fit, Landmarks
from gof.geometry.settings import Camera
from gof.heads.settings import Heads
from gof.metrics.settings import (
    Metrics,
)
from gof.pictures.settings import Samples
from gof.readers.settings import Regressors
from gof.run.settings import Tracking
from gof.shapes.settings import Meshes
from gof.training.settings import Runtime, Training

# Sections that change no result: they are no part of what a stage depends on, and a rule does not
# rerun for them.
RUNTIME_SECTIONS = {"runtime", "tracking", "pathvars", "track_code"}


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
    metrics: Metrics = Metrics()
    tracking: Tracking = Tracking()
    track_code: bool = Field(True, description="rerun a stage when the code it uses changes")
    note: str = Field("", description="a line put on every table and figure")

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

    def for_metric(self, *parts: str) -> str:
        """JSON of what one metric depends on: these sections and the evaluation seeds."""
        return self.model_dump_json(include={"metrics": {"seeds", *parts}})

    def for_untrained(self, part: str) -> str:
        """JSON of what a metric of an untrained network, or its views, depend on."""
        sections: dict[str, Any] = {
            "metrics": {"seeds": True, part: True},
            "training": {"field": True, "truncation_latents": True},
        }
        if part == "views":  # a metric has these from its data set
            sections |= {"camera": True, "heads": {"background": True}}
        return self.model_dump_json(include=sections)

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
