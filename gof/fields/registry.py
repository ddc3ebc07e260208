"""The kinds of fields: modules of `gof.fields.kinds` that define FIELD, and plugins'."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from gof.config.registry import Registry
from gof.fields.settings import FieldSettings

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from gof.fields.field import Field


class FieldNetwork(Protocol):
    """The weights that all images of a model share: a torch module that a style turns into a
    field."""

    @property
    def style_size(self) -> int:
        """Length of a style."""

    def reset(self, generator: torch.Generator) -> None:
        """Draw all weights."""

    def bind(self, style: Tensor) -> Field:
        """A field for each row of style [batch, style_size]."""


@dataclass(frozen=True, slots=True)
class FieldKind:
    """A kind of field: its settings, what makes its network of them, and the module whose code its
    results depend on."""

    name: str
    settings: type[FieldSettings]
    build: Callable[[Any], Any]
    module: str


FIELDS: Registry[FieldKind] = Registry("field", "gof.fields.kinds", "FIELD")
