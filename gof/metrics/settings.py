"""The section `metrics`: evaluation seeds, views, and a section for each registered metric."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    create_model,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from gof.config.section import Section, Seed
from gof.metrics.registry import METRICS, metrics
from gof.metrics.section import MetricSection, RenderedViews, sized


class Metrics(Section):
    """Evaluation; every metric runs once for each evaluation seed."""

    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = (0, 1)
    split: Literal["test", "validation"] = Field(
        "test",
        description="held-out images that are measured on; settings are chosen on validation",
    )
    views: RenderedViews = RenderedViews()

    @model_validator(mode="wrap")
    @classmethod
    def _with_all_sections(
        cls, values: Any, handler: ModelWrapValidatorHandler[Metrics]
    ) -> Metrics:
        """Values become those of a class that has a section for each metric there is by now."""
        if cls is Metrics and isinstance(values, dict):
            return _whole().model_validate(values)
        return handler(values)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """That of the class with all sections."""
        return handler(_whole().__pydantic_core_schema__ if cls is Metrics else core)

    def section(self, metric: str) -> MetricSection:
        """The section of a metric. Raises ConfigError where there is no such metric."""
        METRICS[metric]
        section: MetricSection = dict(self)[metric]
        return section

    def at(self, metric: str | None, size: int | None, stored: Sequence[int] = ()) -> Metrics:
        """With what was left open in the views and in a metric set for a model whose last stage has
        `size` pixels, and a data set stored in these sizes. Raises ConfigError."""
        views = sized("views", self.views, size, stored)
        update: dict[str, MetricSection] = {"views": views}
        if metric is not None:
            looked_at = views.resolution if METRICS[metric].subject == "views" else size
            update[metric] = sized(metric, self.section(metric), looked_at, stored)
        return self.model_copy(update=update)

    @model_validator(mode="after")
    def _views_suffice(self) -> Metrics:
        """Of the metrics that are set: a rule passes on what it needs."""
        for name in self.model_fields_set & metrics().keys():
            section = self.section(name)
            if self.views.count < section.images:
                raise ValueError(f"views.count ({self.views.count}) is too few for {name}")
            if METRICS[name].subject == "views":
                section.at(self.views.resolution)
        return self


def _whole() -> type[Metrics]:
    return _built(tuple((name, metric.section) for name, metric in metrics().items()))


@cache
def _built(sections: tuple[tuple[str, type[MetricSection]], ...]) -> type[Metrics]:
    fields: dict[str, Any] = {name: (section, section()) for name, section in sections}
    return create_model("Metrics", __base__=Metrics, __doc__=Metrics.__doc__, **fields)
