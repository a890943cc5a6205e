"""The JSON Schema of the mapping, for editors: they complete names, explain settings and mark mistakes while one types.

It holds the shape. What must hold between the parts is in `schemas.mapping_checks`, and is told when a mapping is
planned or published.
"""

import json
from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema

from schemas.mapping import Mapping

_GIVEN: Final = ("version", "since")
"""Set by the store: an export has the version, and nobody types either."""


def mapping_schema() -> dict[str, Any]:
    """The schema of a mapping as it is written in YAML."""
    schema = Mapping.model_json_schema()
    for name in _GIVEN:
        schema["properties"][name]["readOnly"] = True
    return {"$schema": GenerateJsonSchema.schema_dialect, **schema, "title": "Tandem's mapping"}


def page() -> str:
    """The schema as the file that editors read."""
    return json.dumps(mapping_schema(), indent=2, ensure_ascii=False) + "\n"
