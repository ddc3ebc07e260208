"""What every section of the configuration is made of. Each room keeps its own sections in its
`settings`."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
CountOrZero = Annotated[int, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Resolution = Annotated[int, Field(ge=4, le=1024)]


def _nested(sizes: tuple[int, ...]) -> tuple[int, ...]:
    if not sizes or any(2 * max(sizes) % size for size in sizes):
        raise ValueError(f"resolutions must divide twice the largest, got {sizes}")
    return sizes


Resolutions = Annotated[tuple[Resolution, ...], AfterValidator(_nested)]


class Section(BaseModel):
    """Base of every section: unknown keys are errors, values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)
