"""Sections of which there are several kinds: which one it is, a key says; which there are, a
registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from gof.config.section import Section


class OneOf:
    """Annotation of a section whose class a registry has under the value of `key`.

    kinds: classes by name, asked for when the schema of the section around it is built; default:
    the name where the key is absent.
    """

    def __init__(
        self, key: str, kinds: Callable[[], Mapping[str, type[Section]]], default: str = ""
    ) -> None:
        self.key, self.kinds, self.default = key, kinds, default

    def __get_pydantic_core_schema__(self, _: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        choices = {
            name: handler.generate_schema(section) for name, section in self.kinds().items()
        }
        return core_schema.tagged_union_schema(choices, self._name_of)

    def _name_of(self, value: Any) -> str | None:
        if isinstance(value, Mapping):
            name = value.get(self.key, self.default)
            return name if isinstance(name, str) else None
        return getattr(value, self.key, None)
