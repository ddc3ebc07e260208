"""The JSON schema of configuration files, by which editors check and complete them."""

from __future__ import annotations

import json

from gof.experiment.config import Config
from gof.experiment.inheritance import EXTENDS


def schema() -> str:
    """What `workflow/schemas/config.schema.json` holds. A file may say less than `Config`, which
    holds models that are written out: `common` and the model that one extends say the rest."""
    whole = Config.model_json_schema()
    sections, model = whole["properties"], whole["$defs"]["Model"]
    del model["required"]
    model["properties"][EXTENDS] = {
        "type": "string",
        "description": "name of the model whose settings this one takes over",
    }
    sections["common"] = {**sections["common"], "$ref": "#/$defs/Model"}
    for section in ("datasets", "models"):
        named = sections[section]["patternProperties"]
        for pattern, one in named.items():
            named[pattern] = {"anyOf": [one, {"type": "null"}]}
        sections[section]["additionalProperties"] = False
    return json.dumps(whole, indent=2) + "\n"
