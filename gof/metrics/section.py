"""What sections of metrics share: how many views they look at, and sizes that follow a model's last
stage where they are left open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Self, TypeVar

from pydantic import Field, ValidationError

from gof.config.errors import ConfigError
from gof.config.section import Fraction, Section

FOLLOWS = "null: that of the model's last stage, for references the largest of all models"


class MetricSection(Section):
    """Base of the section of every metric."""

    @property
    def images(self) -> int:
        """How many views of an evaluation seed the metric looks at."""
        return 0

    def at(self, size: int | None, stored: Sequence[int] = ()) -> Self:
        """With what was left open set for a model of `size` pixels, and a data set stored in these
        sizes. Raises ValueError for settings that do not fit them."""
        return self


class SizedSection(MetricSection):
    """A section with a resolution."""

    resolution: Annotated[int, Field(ge=4, le=1024)] | None = Field(None, description=FOLLOWS)

    @property
    def pixels(self) -> int:
        """The resolution. Raises ConfigError where it was left open and there is no model."""
        return known(self.resolution, type(self).__name__, "resolution")

    def at(self, size: int | None, stored: Sequence[int] = ()) -> Self:
        """With the resolution set."""
        if self.resolution is not None or size is None:
            return self
        return type(self).model_validate({**self.model_dump(), "resolution": size})


def known(size: int | None, section: str, key: str) -> int:
    """A size. Raises ConfigError for one that follows a model where there is none."""
    if size is None:
        raise ConfigError(
            f"metrics: {key} of {section}: not set, and there is no model whose last stage it could"
            " follow: set it"
        )
    return size


class RenderedViews(SizedSection):
    """Images and depth of a generator from the pose prior, rendered once for all metrics that look
    at them."""

    count: Annotated[int, Field(ge=2)] = Field(1000, description="images for an evaluation seed")
    resolution: Annotated[int, Field(ge=8, le=1024, multiple_of=8)] | None = Field(
        None, description=f"size of the images; {FOLLOWS}"
    )
    truncation: Fraction = 1.0


S = TypeVar("S", bound=MetricSection)


def sized(name: str, section: S, size: int | None, stored: Sequence[int] = ()) -> S:
    """The section `metrics.{name}` with what was left open set. Raises ConfigError."""
    try:
        return section.at(size, stored)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, ("metrics", name, *first["loc"])))
        raise ConfigError(f"{key}: {first['msg']}, got {first['input']!r}: set it") from None
    except ValueError as error:
        raise ConfigError(f"metrics.{name}: {error}") from None
