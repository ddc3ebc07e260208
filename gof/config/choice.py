"""Sections of which there are several kinds: which one it is, a key says; which there are, a
registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from gof.config.section import Section


class OneOf:
    """Annotation of a section whose class a registry has under the value of `key`.

    kinds: classes by name, asked for at every reading, so that one registered later is known too;
    default: the name where the key is absent.
    """

    def __init__(
        self, key: str, kinds: Callable[[], Mapping[str, type[Section]]], default: str = ""
    ) -> None:
        self.key, self.kinds, self.default = key, kinds, default

    def __get_pydantic_core_schema__(self, _: Any, __: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._read)

    def __get_pydantic_json_schema__(
        self, _: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        kinds = self.kinds().values()  # any: a file that leaves the key out may fit several
        return {"anyOf": [handler(section.__pydantic_core_schema__) for section in kinds]}

    def _read(self, value: Any) -> Section:
        kinds = self.kinds()
        if isinstance(value, tuple(kinds.values())):
            assert isinstance(value, Section)
            return value
        if not isinstance(value, Mapping):
            raise ValueError(f"expected a mapping that names its {self.key}")
        name, known = value.get(self.key, self.default), ", ".join(kinds)
        if name == "":
            raise ValueError(f"needs a {self.key}; there are {known}")
        if not isinstance(name, str) or name not in kinds:
            raise ValueError(f"no {self.key} {name!r}; there are {known}")
        return kinds[name].model_validate(value)
