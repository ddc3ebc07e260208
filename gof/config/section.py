"""What every section of the configuration is made of. Each room keeps its own sections in its
`settings`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

# Bounds are far beyond what makes sense: they catch a slip of the keyboard.
Positive = Annotated[float, Field(gt=0, le=1e9)]
NonNegative = Annotated[float, Field(ge=0, le=1e9)]
Count = Annotated[int, Field(ge=1, le=10**8)]
CountOrZero = Annotated[int, Field(ge=0, le=10**8)]
Width = Annotated[int, Field(ge=1, le=2**14)]
Depth = Annotated[int, Field(ge=1, le=64)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Resolution = Annotated[int, Field(ge=4, le=1024)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Colour = tuple[Fraction, Fraction, Fraction]
# Of data sets and models: parts of paths, file names and table rows.
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")]


def _nested(sizes: tuple[int, ...]) -> tuple[int, ...]:
    if not sizes or any(2 * max(sizes) % size for size in sizes):
        raise ValueError(f"resolutions must divide twice the largest, got {sizes}")
    return sizes


Resolutions = Annotated[tuple[Resolution, ...], AfterValidator(_nested)]


class Section(BaseModel):
    """Base of every section: unknown keys and numbers that are not finite are errors, true is not
    1, values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _is_no_truth_value(cls, value: Any, info: ValidationInfo) -> Any:
        field = cls.model_fields[str(info.field_name)]
        parts = value if isinstance(value, list | tuple) else [value]
        if field.annotation is not bool and any(isinstance(part, bool) for part in parts):
            raise ValueError("true and false stand for no number, name or list")
        return value
